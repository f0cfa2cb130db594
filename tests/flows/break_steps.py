"""Steps for tests about breaks: a run and a break in the tables, and people of finance."""

import hashlib
from datetime import UTC, datetime

from django.db import connection

from accounts.roles import Role
from kernel.ids import Actor
from tests.flows.staff_steps import make_staff

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def staff(role: Role = Role.FINANCE) -> Actor:
    return Actor.staff(make_staff(role, key=None).pk)


def kept_run(name: str = "run", as_of: datetime = AS_OF) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_reconciliation_run (id, provider, as_of, window_from,"
            " policy_version, code_version, inputs, summary, report_sha256, lines_sha256,"
            " breaks_open) VALUES (%s, '', %s, %s, '1', '1', '{}', '{}', %s, %s, 0)",
            [sha(name), as_of, as_of, sha("report"), sha("lines")],
        )
    return sha(name)


def kept_break(run: str, *, kind: str = "missing_at_psp", difference: int = -500, **more) -> str:
    """An open break as a run keeps one."""
    row = {
        "id": sha(f"{kind}{difference}{more}"),
        "kind": kind,
        "side": "ledger",
        "provider": "simulated",
        "currency": "EUR",
        "category": "deposit",
        "difference_minor": difference,
        "booked_at": AS_OF,
        "facts_sha256": sha("facts"),
        "first_run_id": run,
        "last_run_id": run,
    } | more
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO payments_reconciliation_break ({', '.join(row)})"  # noqa: S608  (our keys)
            f" VALUES ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )
    return row["id"]

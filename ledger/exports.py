"""The whole books as files for others: CSV for any program, a journal for hledger.

Layout: ``accounts.csv``, ``transfers.csv``, ``holds.csv``, ``journal.hledger``, and ``SHA256SUMS``
over the four (`sha256sum --check`). Everything is read in one snapshot and streamed: memory does
not grow with the books. `docs/check-our-books.md` says how an outsider checks them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.one_view import fetched
from ledger.journal import Journal, Leg, Movement, account_name, declarations

ACCOUNT_COLUMNS: Final = (
    *("account", "kind", "owner", "currency", "scale"),
    *("balance_minor", "entries", "opened_at", "closed_at"),
)
TRANSFER_COLUMNS: Final = (
    *("transfer", "batch", "item", "posted_at", "kind", "ref", "currency", "amount_minor"),
    *("debit", "debit_balance_after_minor", "credit", "credit_balance_after_minor"),
)
HOLD_COLUMNS: Final = (
    *("hold", "at", "expires_at", "kind", "ref", "currency", "amount_minor", "debit", "credit"),
    *("outcome", "ended_at", "captured_minor", "batch"),
)

# What was posted after the instant is left out, so that each account stands as it did then.
_ACCOUNTS: Final = """
SELECT a.id, a.kind, a.owner_ref, a.currency, a.scale,
    coalesce(e.balance, 0), coalesce(e.entries, 0), a.opened_at,
    CASE WHEN a.closed_at <= %(until)s THEN a.closed_at END
FROM ledger_account a
LEFT JOIN (
    SELECT account, sum(amount)::bigint AS balance, count(*) AS entries
    FROM ledger_entry WHERE posted_at <= %(until)s GROUP BY account
) e ON e.account = a.id
WHERE a.opened_at <= %(until)s
ORDER BY a.id
"""
_TRANSFERS: Final = """
SELECT t.id, t.batch, t.item, t.posted_at, t.kind, t.ref, d.currency, t.amount,
    t.debit, d.kind, d.owner_ref, t.debit_balance_after,
    t.credit, c.kind, c.owner_ref, t.credit_balance_after
FROM ledger_transfer t
JOIN ledger_account d ON d.id = t.debit
JOIN ledger_account c ON c.id = t.credit
WHERE t.posted_at <= %(until)s
ORDER BY t.batch, t.item
"""

_HOLDS: Final = """
SELECT h.id, h.at, h.expires_at, h.kind, h.ref, d.currency, h.amount, h.account, h.credit,
    coalesce(e.outcome, 'open'), e.at, e.captured, e.batch
FROM ledger_hold h
JOIN ledger_account d ON d.id = h.account
LEFT JOIN ledger_hold_end e ON e.hold = h.id AND e.at <= %(until)s
WHERE h.at <= %(until)s
ORDER BY h.at, h.id
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: how many of each, until when, and the files' SHA-256."""

    accounts: int
    transfers: int
    holds: int
    until: datetime
    sha256: dict[str, str]


def export(out: Path, until: datetime | None = None) -> Exported:
    """Write the books until ``until`` (aware; now where it is None) to the new or empty ``out``.

    Raises ``FileExistsError`` when something is in it already. Takes no lock.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        at = until or database_now()
        with _file(out / "journal.hledger") as journal:
            accounts = _write_accounts(out / "accounts.csv", journal, at)
            transfers = _write_transfers(out / "transfers.csv", journal, at)
        holds = _write_holds(out / "holds.csv", at)
    names = ("accounts.csv", "holds.csv", "journal.hledger", "transfers.csv")
    sums = {name: _sha256(out / name) for name in names}
    with _file(out / "SHA256SUMS") as listed:
        listed.writelines(f"{digest}  {name}\n" for name, digest in sums.items())
    return Exported(accounts, transfers, holds, at, sums)


def _write_accounts(path: Path, journal: TextIO, at: datetime) -> int:
    named: set[tuple[str, str]] = set()
    currencies: set[str] = set()
    count = 0
    with _file(path) as rows:
        writer = _csv(rows, ACCOUNT_COLUMNS)
        for row in fetched(_ACCOUNTS, {"until": at}):
            *facts, opened_at, closed_at = row
            writer.writerow([*facts, _instant(opened_at), _instant(closed_at)])
            named.add((facts[1], facts[2]))
            currencies.add(facts[3])
            count += 1
    journal.write(f"; The books until {_instant(at)}. Debits are positive, as accountants count.\n")
    journal.write(declarations(sorted(currencies), sorted(named)) + "\n")
    return count


def _write_transfers(path: Path, journal: TextIO, at: datetime) -> int:
    written = Journal()
    count = 0
    with _file(path) as rows:
        writer = _csv(rows, TRANSFER_COLUMNS)
        for row in fetched(_TRANSFERS, {"until": at}):
            movement, debit, credit = _movement(row)
            writer.writerow(
                [
                    *(movement.id, movement.batch, movement.item, _instant(movement.posted_at)),
                    *(movement.kind, movement.ref, movement.currency, movement.amount_minor),
                    *(debit, movement.debit.balance_after_minor),
                    *(credit, movement.credit.balance_after_minor),
                ]
            )
            journal.write(written.transaction(movement))
            count += 1
    return count


def _write_holds(path: Path, at: datetime) -> int:
    """Every hold as it stood then; no amount of it is in the journal until it is captured."""
    count = 0
    with _file(path) as rows:
        writer = _csv(rows, HOLD_COLUMNS)
        for row in fetched(_HOLDS, {"until": at}):
            writer.writerow([_instant(v) if isinstance(v, datetime) else v for v in row])
            count += 1
    return count


def _movement(row: tuple[Any, ...]) -> tuple[Movement, int, int]:
    """A row of ``_TRANSFERS``, and the numbers of its two accounts."""
    id_, batch, item, posted_at, kind, ref, currency, amount = row[:8]
    debit, debit_kind, debit_owner, debit_after = row[8:12]
    credit, credit_kind, credit_owner, credit_after = row[12:]
    return (
        Movement(
            id_,
            batch,
            item,
            kind,
            ref,
            amount,
            currency,
            Leg(account_name(debit_kind, debit_owner), debit_after),
            Leg(account_name(credit_kind, credit_owner), credit_after),
            posted_at.astimezone(UTC),
        ),
        debit,
        credit,
    )


@contextmanager
def _file(path: Path) -> Iterator[TextIO]:
    with path.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def _csv(stream: TextIO, columns: tuple[str, ...]) -> Any:
    writer = csv.writer(stream, lineterminator="\r\n")  # RFC 4180 §2
    writer.writerow(columns)
    return writer


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

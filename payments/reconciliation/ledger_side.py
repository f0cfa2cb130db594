"""What the ledger has on the clearing accounts of providers, copied out for the columnar engine.

One COPY in the run's snapshot. Each entry comes with everything that a provider may call it by: our
payment and the provider's reference of it, and of money that goes back to a deposit, or was taken
back of one, the deposit's too. Amounts are seen from us: what the provider owes us is positive.
"""

from __future__ import annotations

# ruff: noqa: S608  (composed of fixed words of this file; values are parameters)
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection


@dataclass(frozen=True, slots=True)
class Clearing:
    """A provider's clearing account in one currency."""

    account: int
    provider: str
    currency: str


#: Those that had an entry: one that was opened later changes nothing of an older instant.
_ACCOUNTS: Final = """
SELECT id, substr(owner_ref, 5), currency FROM ledger_account a
WHERE kind = 'psp_clearing' AND owner_ref LIKE 'psp:%%'
    AND EXISTS (SELECT FROM ledger_entry e WHERE e.account = a.id AND e.posted_at < %s)
ORDER BY owner_ref COLLATE "C", currency COLLATE "C"
"""
#: The balance before an instant: that of the last entry before it, through the account's own index.
_BALANCE: Final = """
SELECT w.nth, coalesce((SELECT -e.balance_after FROM ledger_entry e
    WHERE e.account = w.account AND e.posted_at < w.at ORDER BY e.seq DESC LIMIT 1), 0)
FROM unnest(%s::bigint[], %s::timestamptz[]) WITH ORDINALITY AS w (account, at, nth) ORDER BY w.nth
"""
_PAYMENT: Final = """CASE WHEN e.ref LIKE 'payment:%%' AND length(e.ref) = 44
    THEN substr(e.ref, 9)::uuid END"""
#: An entry says what it was for: no transfer is looked for.
_ENTRIES: Final = f"""
SELECT array_position(%(accounts)s::bigint[], e.account) - 1, e.seq, e.transfer, -e.amount,
    e.posted_at AT TIME ZONE 'UTC', e.kind,
    CASE WHEN e.ref LIKE 'psp-row:%%' THEN substr(e.ref, 9) ELSE '' END, e.batch,
    coalesce(d.id, w.id), s.id,
    CASE WHEN e.kind IN ('dispute', 'chargeback') THEN coalesce(n.dispute, c.dispute, '')
        ELSE coalesce(d.provider_ref, w.provider_ref) END,
    CASE WHEN e.kind IN ('dispute', 'chargeback') THEN d.provider_ref ELSE s.provider_ref END,
    x.user_id IS NOT NULL
FROM {{entries}} e
LEFT JOIN payments_deposit d ON d.id = {_PAYMENT}
LEFT JOIN payments_withdrawal w ON w.id = {_PAYMENT}
LEFT JOIN payments_deposit s ON s.id = w.source_deposit_id
LEFT JOIN ledger_dispute n ON n.transfer = e.transfer AND e.kind = 'dispute'
LEFT JOIN ledger_chargeback_leg g ON g.transfer = e.transfer AND e.kind = 'chargeback'
LEFT JOIN ledger_chargeback c ON c.id = g.chargeback
LEFT JOIN accounts_player x ON x.user_id = coalesce(d.player_id, w.player_id) AND x.is_test
"""
#: The accounts stand here as they are, so that the planner knows how many entries they have.
_IN_WINDOW: Final = """
WHERE e.account = ANY (%(mine)s::bigint[])
    AND e.posted_at >= %(since)s AND e.posted_at < %(until)s
"""
#: What is open of older times: all legs of the batch of each transfer named.
_NAMED: Final = """(SELECT s.*, o.id AS transfer, o.posted_at, o.kind, o.ref, o.batch
    FROM unnest(%(transfers)s::uuid[]) AS u (id)
    JOIN ledger_transfer_id i ON i.id = u.id
    JOIN ledger_transfer z ON z.batch = i.batch AND z.item = i.item
    JOIN ledger_transfer o ON o.batch = z.batch AND o.posted_at = z.posted_at AND o.ref = z.ref
        AND o.kind = z.kind
    CROSS JOIN LATERAL (VALUES (o.debit, o.debit_seq, -o.amount),
        (o.credit, o.credit_seq, o.amount)) AS s (account, seq, amount)
    WHERE z.posted_at < %(since)s AND s.account = ANY (%(accounts)s::bigint[]))"""


def clearing_accounts(before: datetime) -> list[Clearing]:
    """All that were moved ``before`` an instant, by provider and currency."""
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS, [before])
        return [Clearing(*row) for row in cursor.fetchall()]


def balances_before(wanted: Sequence[tuple[int, datetime]]) -> list[int]:
    """For each (account, instant) the balance before it, seen from us, in minor units."""
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE, [[one[0] for one in wanted], [one[1] for one in wanted]])
        return [minor for _, minor in cursor.fetchall()]


def export(
    path: Path,
    accounts: Sequence[Clearing],
    *,
    since: datetime,
    until: datetime,
    transfers: Sequence[str] = (),
    early: Sequence[tuple[Sequence[int], datetime, datetime]] = (),
) -> None:
    """Write the entries of ``accounts`` in [since, until), and those of ``transfers`` before it.
    ``early`` are some accounts' entries of older spans.

    ``path`` gets CSV without a header, in the columns of `LEDGER_COLUMNS`; a place is the position
    in ``accounts``. Reads in the caller's transaction, which is one snapshot; takes no lock.
    """
    values: dict[str, Any] = {
        "accounts": [one.account for one in accounts],
        "since": since,
        "until": until,
    }
    with path.open("wb") as out, connection.cursor() as cursor:
        # Compiling takes longer than the query; more memory keeps its joins off the disk.
        cursor.execute("SET LOCAL jit = off")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute("SET LOCAL statement_timeout = 0")
        if os.getpriority(os.PRIO_PROCESS, 0) > 0:
            # Our niceness is not the server's: who gives way takes one of its processors at most.
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        window = _ENTRIES.format(entries="ledger_entry")
        for mine, first, last in ((values["accounts"], since, until), *early):
            span = values | {"since": first, "until": last, "mine": list(mine)}
            _copy(cursor, window + _IN_WINDOW, span, out)
        if transfers:
            query = _ENTRIES.format(entries=_NAMED)
            _copy(cursor, query, values | {"transfers": list(transfers)}, out)


def _copy(cursor: Any, query: str, values: dict[str, Any], out: Any) -> None:
    with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", values) as copy:
        for part in copy:
            out.write(part)


def naive_utc(at: datetime) -> datetime:
    """An instant as the engine has it."""
    return at.astimezone(UTC).replace(tzinfo=None)

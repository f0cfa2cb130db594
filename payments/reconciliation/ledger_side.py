"""What the ledger has on the clearing accounts of providers, copied out for the columnar engine.

In the run's snapshot. Each entry comes with everything that a provider may call it by: our payment
and the provider's reference of it, and of money that goes back to a deposit, or was taken back of
one, the deposit's too. Amounts are seen from us: what the provider owes us is positive.

Entries and payments come apart, since to lay a million of each beside each other costs PostgreSQL
several times what reading them does, and the engine next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
from django.db import connection

from payments.reconciliation import matching_sql as match


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
#: An entry says what it was for: no transfer is looked for. What a provider calls a dispute is
#: asked of the few entries that are of one.
_ENTRIES: Final = """
SELECT array_position(%(accounts)s::bigint[], e.account) - 1, e.seq, e.transfer, -e.amount,
    e.posted_at AT TIME ZONE 'UTC', e.kind, e.ref, e.batch,
    CASE e.kind
        WHEN 'dispute' THEN (SELECT n.dispute FROM ledger_dispute n WHERE n.transfer = e.transfer)
        WHEN 'chargeback' THEN (SELECT c.dispute FROM ledger_chargeback_leg g
            JOIN ledger_chargeback c ON c.id = g.chargeback WHERE g.transfer = e.transfer) END
FROM {entries} e
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
#: What was paid in and out. Whose it is matters only where that is a test account.
_PAYMENTS: Final = """
SELECT p.id, p.is_deposit, p.source, p.provider_ref,
    p.player_id IN (SELECT user_id FROM accounts_player WHERE is_test)
FROM (SELECT id, true AS is_deposit, NULL::uuid AS source, provider_ref, player_id, provider,
        created_at FROM payments_deposit
    UNION ALL
    SELECT id, false, source_deposit_id, provider_ref, player_id, provider, created_at
    FROM payments_withdrawal) p
"""
_ASKED_FOR: Final = "WHERE p.id = ANY (%(ids)s::uuid[])"
_MADE_THEN: Final = """WHERE p.created_at >= %(since)s AND p.created_at < %(until)s
    AND p.provider = ANY (%(providers)s::text[])"""
#: The payments of so many entries are asked for one by one; where there are more, those that were
#: made in the window come together first.
FEW: Final = 20_000
BUFFER: Final = 1024 * 1024


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


def export(  # noqa: PLR0913  (what a run reads; all but three by name)
    engine: duckdb.DuckDBPyConnection,
    folder: Path,
    accounts: Sequence[Clearing],
    *,
    since: datetime,
    until: datetime,
    transfers: Sequence[str] = (),
    early: Sequence[tuple[Sequence[int], datetime, datetime]] = (),
) -> None:
    """Fill ``ledger_rows`` of ``engine`` with the entries of ``accounts`` in [since, until), and
    those of ``transfers`` before it. ``early`` are some accounts' entries of older spans.

    A place is the position in ``accounts``. Passes through files in ``folder``. Reads in the
    caller's transaction, which is one snapshot; takes no lock.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")  # compiling takes longer than the query
        cursor.execute("SET LOCAL statement_timeout = 0")
        if os.getpriority(os.PRIO_PROCESS, 0) > 0:
            # Our niceness is not the server's: who gives way takes one of its processors at most.
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        copying = _Copying(cursor, engine, folder / "ledger.csv")
        mine = [one.account for one in accounts]
        window = _ENTRIES.format(entries="ledger_entry") + _IN_WINDOW
        copies: list[tuple[str, dict[str, Any]]] = [
            (window, {"accounts": mine, "mine": list(some), "since": first, "until": last})
            for some, first, last in ((mine, since, until), *early)
        ]
        if transfers:
            named = {"accounts": mine, "since": since, "transfers": list(transfers)}
            copies.append((_ENTRIES.format(entries=_NAMED), named))
        copying.copy(copies, match.ENTRIES)
        providers = sorted({one.provider for one in accounts})
        _copy_payments(copying, {"since": since, "until": until, "providers": providers})
    for statement in match.LEDGER_ROWS:
        engine.execute(statement)


@dataclass(frozen=True, slots=True)
class _Copying:
    """COPY into a file, and from there into the engine, which reads no other way."""

    cursor: Any
    engine: duckdb.DuckDBPyConnection
    path: Path

    def copy(self, copies: Sequence[tuple[str, Mapping[str, Any]]], into: str) -> None:
        """The rows of all ``copies``, by the engine's statement ``into``."""
        with self.path.open("wb", BUFFER) as out:
            for query, values in copies:
                with self.cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", values) as rows:
                    out.writelines(rows)
        self.engine.execute(into, {"path": str(self.path)})


def _copy_payments(copying: _Copying, window: Mapping[str, Any]) -> None:
    """What the entries were for, and then the deposits that some of that went back to.

    When a payment was made only says how it comes: whatever is named and did not, is asked for.
    """
    engine = copying.engine
    engine.execute(match.PAYMENTS_TABLE)
    if engine.execute(match.OF_PAYMENTS).fetchall()[0][0] > FEW:
        copying.copy([(_PAYMENTS + _MADE_THEN, window)], match.PAYMENTS)
    for unknown in (match.UNKNOWN, match.UNKNOWN_SOURCES):
        ids = [row[0] for row in engine.execute(unknown).fetchall()]
        asked = [{"ids": ids[at : at + FEW]} for at in range(0, len(ids), FEW)]
        if asked:
            copying.copy([(_PAYMENTS + _ASKED_FOR, one) for one in asked], match.PAYMENTS)


def naive_utc(at: datetime) -> datetime:
    """An instant as the engine has it."""
    return at.astimezone(UTC).replace(tzinfo=None)

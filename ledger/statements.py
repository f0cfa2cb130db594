"""Statements: the lines of one account, with the balance after each. Reads only, locks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from kernel.arrays import array_of_texts
from kernel.ids import AccountId
from kernel.invariant import ensure
from ledger.postings import TransferKind

#: Lines in one page of a statement.
LINES_MAX: Final = 500

_LINES: Final = """
SELECT e.seq, e.posted_at, t.kind, t.ref, e.amount, e.balance_after, e.transfer,
       CASE WHEN t.debit = e.account THEN t.credit ELSE t.debit END
FROM (
    SELECT * FROM ledger_entry
    WHERE account = %(account)s
      AND (%(before)s::bigint IS NULL OR seq < %(before)s::bigint)
      AND posted_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND posted_at < coalesce(%(until)s::timestamptz, 'infinity')
    ORDER BY seq DESC LIMIT %(limit)s
) e
JOIN ledger_transfer_id i ON i.id = e.transfer
JOIN ledger_transfer t ON t.batch = i.batch AND t.item = i.item AND t.posted_at = e.posted_at
ORDER BY e.seq DESC
"""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` (included) until ``until`` (excluded); None leaves that end open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: ``amount_minor`` is signed, positive where the account gained."""

    seq: int
    posted_at: datetime
    kind: TransferKind
    ref: str
    amount_minor: int
    balance_after_minor: int
    transfer_id: UUID
    counterpart: AccountId


def statement(
    account_id: AccountId,
    *,
    period: Period | None = None,
    before_seq: int | None = None,
    limit: int = 50,
) -> list[Line]:
    """Up to ``limit`` lines of ``period``, newest first; ``before_seq`` asks for the next page."""
    ensure(0 < limit <= LINES_MAX, "a page of a statement is bounded", asked=limit)
    within = period or Period()
    with connection.cursor() as cursor:
        cursor.execute(
            _LINES,
            {
                "account": account_id,
                "before": before_seq,
                "since": within.since,
                "until": within.until,
                "limit": limit,
            },
        )
        return [
            Line(seq, at, TransferKind(kind), ref, amount, after, transfer, AccountId(other))
            for seq, at, kind, ref, amount, after, transfer, other in cursor.fetchall()
        ]


def posted_under(keys: Sequence[str]) -> int:
    """What the calls with these keys moved together, in minor units; keys that posted nothing count
    nothing. One statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(t.amount), 0)::bigint FROM ledger_batch b"
            " JOIN ledger_transfer t ON t.batch = b.id AND t.posted_at = b.posted_at"
            " WHERE b.key = ANY (%s::text::text[])",
            [array_of_texts(keys)],
        )
        return int(cursor.fetchone()[0])


def balance_at(account_id: AccountId, at: datetime) -> int:
    """Minor units posted on the account just before ``at``: a period's opening balance."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT balance_after FROM ledger_entry WHERE account = %s AND posted_at < %s"
            " ORDER BY seq DESC LIMIT 1",
            [account_id, at],
        )
        row: tuple[int] | None = cursor.fetchone()
    return 0 if row is None else row[0]

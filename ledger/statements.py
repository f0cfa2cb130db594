"""Statements: the lines of one account, with the balance after each. Reads only, locks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from kernel.ids import AccountId
from kernel.invariant import ensure
from ledger.accounts import balance
from ledger.postings import TransferKind

#: Lines in one page of a statement.
LINES_MAX: Final = 500

_COLUMNS: Final = """
SELECT seq, posted_at, kind, ref, amount, balance_after, transfer, counterpart FROM ledger_entry
WHERE account = %(account)s
"""
_LINES: Final = f"""{_COLUMNS}
  AND (%(before)s::bigint IS NULL OR seq < %(before)s::bigint)
  AND posted_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND posted_at < coalesce(%(until)s::timestamptz, 'infinity')
ORDER BY seq DESC LIMIT %(limit)s
"""
_ONWARD: Final = f"""{_COLUMNS} AND seq > %(after)s AND seq <= %(last)s
ORDER BY seq LIMIT %(limit)s
"""
_OF_PERIOD: Final = """
    SELECT seq, amount, balance_after FROM ledger_entry
    WHERE account = %(account)s
      AND posted_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND posted_at < coalesce(%(until)s::timestamptz, 'infinity')
    ORDER BY seq
"""
_SPAN: Final = f"""
SELECT f.seq, f.balance_after - f.amount, l.seq, l.balance_after
FROM ({_OF_PERIOD} LIMIT 1) f CROSS JOIN ({_OF_PERIOD} DESC LIMIT 1) l
"""  # noqa: S608  (constants of this module)
_TOTALS: Final = """
SELECT kind, coalesce(sum(amount) FILTER (WHERE amount > 0), 0)::bigint,
       coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)::bigint, count(*)
FROM ledger_entry WHERE account = %(account)s AND seq BETWEEN %(first)s AND %(last)s
GROUP BY kind ORDER BY kind
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


@dataclass(frozen=True, slots=True)
class Span:
    """The entries of an account in a period, from ``first_seq`` to ``last_seq``, and the balance
    before and after them. It stays what it is: what is posted later is not in it.

    Empty where ``last_seq`` is below ``first_seq``; both balances are then the same.
    """

    first_seq: int
    last_seq: int
    opening_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class Total:
    """What transfers of one kind brought and took, both positive, and how many there were."""

    kind: TransferKind
    came_minor: int
    went_minor: int
    count: int


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
        return _lines(cursor.fetchall())


def span(account_id: AccountId, period: Period) -> Span:
    """Which entries ``period`` has, and the balance at either end, as of one instant.

    Of a period without entries, the balance is that of a moment later.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SPAN, {"account": account_id, "since": period.since, "until": period.until})
        row: tuple[int, int, int, int] | None = cursor.fetchone()
    if row is not None:
        first, opening, last, closing = row
        return Span(first, last, opening, closing)
    until = period.until
    stands = balance(account_id).posted_minor if until is None else balance_at(account_id, until)
    return Span(1, 0, stands, stands)


def totals(account_id: AccountId, within: Span) -> list[Total]:
    """What moved in ``within``, by kind: opening plus what came less what went is the closing."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TOTALS,
            {"account": account_id, "first": within.first_seq, "last": within.last_seq},
        )
        return [
            Total(TransferKind(kind), came, went, count)
            for kind, came, went, count in cursor.fetchall()
        ]


def all_lines(account_id: AccountId, within: Span) -> Iterator[list[Line]]:
    """Every line of ``within``, oldest first, in pieces of at most ``LINES_MAX``."""
    after = within.first_seq - 1
    while after < within.last_seq:
        asked = {"account": account_id, "after": after, "last": within.last_seq}
        with connection.cursor() as cursor:
            cursor.execute(_ONWARD, asked | {"limit": LINES_MAX})
            piece = _lines(cursor.fetchall())
        ensure(len(piece) > 0, "every entry has its transfer", account=account_id, after=after)
        yield piece
        after = piece[-1].seq


def _lines(rows: list[tuple[Any, ...]]) -> list[Line]:
    return [
        Line(seq, at, TransferKind(kind), ref, amount, after, transfer, AccountId(other))
        for seq, at, kind, ref, amount, after, transfer, other in rows
    ]


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

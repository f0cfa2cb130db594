"""The trial balance: what every kind of account held, gained and lost in a period.

The oldest proof of double entry: in each currency openings and closings sum to zero, and debits
equal credits. Made of entries alone, so it can be made of any day for as long as they are kept.
That the two sides of a transfer cancel out needs no proof (one row, one amount): what this shows is
that none crossed currencies, and what each kind held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

TOTAL: Final = "total"

_ROWS: Final = """
SELECT a.currency, a.kind, count(DISTINCT e.account),
    coalesce(sum(e.amount) FILTER (WHERE e.posted_at < %(since)s), 0)::bigint,
    coalesce(-sum(e.amount) FILTER (WHERE e.posted_at >= %(since)s AND e.amount < 0), 0)::bigint,
    coalesce(sum(e.amount) FILTER (WHERE e.posted_at >= %(since)s AND e.amount > 0), 0)::bigint
FROM ledger_entry e JOIN ledger_account a ON a.id = e.account
WHERE e.posted_at < %(until)s
GROUP BY a.currency, a.kind ORDER BY a.currency, a.kind
"""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One kind of account in one currency, or all of them (kind ``total``), in minor units.

    Balances count credits positive: what the house owes a player is above zero.
    """

    currency: str
    kind: str
    accounts: int
    opening_minor: int
    debits_minor: int
    credits_minor: int
    closing_minor: int

    @property
    def is_balanced(self) -> bool:
        """Of a total: whether the books of its currency balance."""
        is_even = self.debits_minor == self.credits_minor
        return is_even and self.opening_minor == self.closing_minor == 0


def trial_balance(since: datetime, until: datetime) -> list[TrialRow]:
    """Rows by currency and kind, each currency ending with its total; empty for empty books.

    ``since`` is included, ``until`` is not; both aware. One snapshot; reads every entry before
    ``until``: a job for a report, not for a page.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        return read_trial_balance(since, until)


def read_trial_balance(since: datetime, until: datetime) -> list[TrialRow]:
    """The same in the caller's transaction, beside what else it reads there."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"since": since, "until": until})
        rows = [
            TrialRow(
                currency, kind, accounts, opening, debits, credits_, opening - debits + credits_
            )
            for currency, kind, accounts, opening, debits, credits_ in cursor.fetchall()
        ]
    found: list[TrialRow] = []
    for currency in sorted({row.currency for row in rows}):
        of = [row for row in rows if row.currency == currency]
        found += [*of, _total(currency, of)]
    return found


def _total(currency: str, rows: list[TrialRow]) -> TrialRow:
    return TrialRow(
        currency,
        TOTAL,
        sum(row.accounts for row in rows),
        sum(row.opening_minor for row in rows),
        sum(row.debits_minor for row in rows),
        sum(row.credits_minor for row in rows),
        sum(row.closing_minor for row in rows),
    )

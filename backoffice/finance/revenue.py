"""Revenue per gaming day, game, table and currency: gross from rounds, net from the whole books.

What NGR is: docs/decisions/0138. Gross revenue is that of `backoffice.reports`. The rest is every
other movement of the house's own result: its tables' accounts outside rounds, fees of providers,
chargebacks and adjustments, on the day it was posted, as the change that it made: a cost is below
zero. What belongs to no table stands in a row without one; nothing is apportioned. So the sum of
all rows, test accounts added, is what the accounts of the result gained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.db import connection

from backoffice import reports
from backoffice.finance.report_shape import Cell, Column, Report, Span
from ledger.postings import AccountKind
from tables.models import Table

#: The accounts whose sum is what the house has earned. Twin of the tests' independent sum.
RESULT_KINDS: Final = (
    AccountKind.HOUSE.value,
    AccountKind.PSP_FEES.value,
    AccountKind.CHARGEBACKS.value,
    AccountKind.ADJUSTMENTS.value,
)
#: A payment's transfers name it (`payments.booking.REF`); whose it was says whether it is a test.
_MOVED: Final = """
SELECT (%(days)s::date[])[width_bucket(e.posted_at, %(sinces)s::timestamptz[])] AS day,
    CASE WHEN a.owner_ref LIKE 'table:%%' THEN substr(a.owner_ref, 7) ELSE '' END AS at_table,
    a.currency, a.kind, coalesce(p.is_test, false) AS is_test, sum(e.amount)::bigint
FROM ledger_account a
JOIN ledger_entry e ON e.account = a.id
JOIN ledger_account other ON other.id = e.counterpart
CROSS JOIN LATERAL (SELECT CASE WHEN e.ref ~ '^payment:[0-9a-f-]{36}$'
    THEN substr(e.ref, 9)::uuid END AS id) of
LEFT JOIN payments_deposit d ON d.id = of.id
LEFT JOIN payments_withdrawal w ON w.id = of.id
LEFT JOIN accounts_player p ON p.user_id = coalesce(d.player_id, w.player_id,
    CASE WHEN other.owner_ref ~ '^player:[0-9]{1,18}$' THEN substr(other.owner_ref, 8)::bigint END)
WHERE a.kind = ANY(%(kinds)s) AND other.kind <> 'escrow'
    AND e.posted_at >= %(since)s AND e.posted_at < %(until)s
GROUP BY 1, 2, 3, 4, 5
"""

GGR_COLUMNS: Final = (
    Column("day", "Gaming day", Cell.DAY),
    Column("game", "Game"),
    Column("table", "Table"),
    Column("currency", "Currency"),
    Column("rounds", "Rounds", Cell.COUNT, is_total=True),
    Column("staked", "Staked", Cell.MONEY, is_total=True),
    Column("paid_out", "Paid out", Cell.MONEY, is_total=True),
    Column("returned", "Returned", Cell.MONEY, is_total=True),
    Column("ggr", "GGR", Cell.MONEY, is_total=True),
    Column("test_accounts", "Test accounts", Cell.MONEY, is_total=True),
    Column("house_account", "House account", Cell.MONEY, is_total=True),
)
NGR_COLUMNS: Final = (
    Column("day", "Gaming day", Cell.DAY),
    Column("game", "Game"),
    Column("table", "Table"),
    Column("currency", "Currency"),
    Column("ggr", "GGR", Cell.MONEY, is_total=True),
    Column("psp_fees", "Fees", Cell.MONEY, is_total=True),
    Column("chargebacks", "Chargebacks", Cell.MONEY, is_total=True),
    Column("adjustments", "Adjustments", Cell.MONEY, is_total=True),
    Column("outside_rounds", "House outside rounds", Cell.MONEY, is_total=True),
    Column("ngr", "NGR", Cell.MONEY, is_total=True),
    Column("test_accounts", "Test accounts", Cell.MONEY, is_total=True),
)


@dataclass(slots=True)
class Net:
    """One day, table and currency in minor units; costs are below zero."""

    ggr: int = 0
    test: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def ngr(self) -> int:
        return self.ggr + sum(self.by_kind.values())


def ggr_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """GGR as it stood at ``span.as_of``."""
    games = _games()
    for row in reports.ggr_between(span.first, span.last, span.as_of):
        yield (
            row.day, games.get(row.table, ""), row.table, row.currency, row.rounds,
            row.staked_minor, row.paid_out_minor, row.returned_minor, row.ggr_minor,
            row.test_minor, row.house_minor,
        )  # fmt: skip


def ngr_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """NGR as it stood at ``span.as_of``; a row without a table for what is of none."""
    games, found = _games(), net(span)
    for day, table, currency in sorted(found):
        one = found[day, table, currency]
        parts = (one.by_kind.get(kind, 0) for kind in RESULT_KINDS)
        house, fees, chargebacks, adjustments = parts
        yield (
            day, games.get(table, ""), table, currency, one.ggr, fees, chargebacks, adjustments,
            house, one.ngr, one.test,
        )  # fmt: skip


def net(span: Span) -> dict[tuple[date, str, str], Net]:
    """By day, table ('' for none) and currency."""
    found: dict[tuple[date, str, str], Net] = {}
    for row in reports.ggr_between(span.first, span.last, span.as_of):
        one = found.setdefault((row.day, row.table, row.currency), Net())
        one.ggr += row.ggr_minor
        one.test += row.test_minor
    for day, table, currency, kind, is_test, minor in _moved(span):
        one = found.setdefault((day, table, currency), Net())
        if is_test:
            one.test += minor
        else:
            one.by_kind[kind] = one.by_kind.get(kind, 0) + minor
    return found


def _moved(span: Span) -> list[tuple[date, str, str, str, bool, int]]:
    days, sinces = reports.day_marks(span.first, span.last)
    asked: dict[str, Any] = {
        "days": days, "sinces": sinces, "since": span.since, "until": span.until,
        "kinds": list(RESULT_KINDS),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_MOVED, asked)
        return list(cursor.fetchall())


def _games() -> dict[str, str]:
    return dict(Table.objects.values_list("id", "game"))


GGR: Final = Report(
    "ggr",
    "Gross gaming revenue",
    "Stakes less what went back to players, per gaming day on which a round finished. With the"
    " column of test accounts it is what the tables' house accounts received.",
    GGR_COLUMNS,
    ggr_rows,
)
NGR: Final = Report(
    "ngr",
    "Net gaming revenue",
    "GGR with fees of providers, chargebacks, adjustments and the house's movements outside"
    " rounds, on the day each was posted. A cost is below zero; what is of no table has none.",
    NGR_COLUMNS,
    ngr_rows,
)

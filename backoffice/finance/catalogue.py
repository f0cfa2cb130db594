"""The reports that finance has, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from backoffice.finance import payment_flows, player_funds, revenue
from backoffice.finance.report_shape import Cell, Column, Report, Span
from ledger.trial_balance import TOTAL, read_trial_balance


def _trial_rows(span: Span) -> Iterator[tuple[object, ...]]:
    for row in read_trial_balance(span.since, span.until):
        yield (
            row.currency, row.kind, row.accounts, row.opening_minor, row.debits_minor,
            row.credits_minor, row.closing_minor,
            ("yes" if row.is_balanced else "no") if row.kind == TOTAL else "",
        )  # fmt: skip


TRIAL_BALANCE: Final = Report(
    "trial-balance",
    "Trial balance",
    "What every kind of account held, gained and lost on the days; each currency ends with all of"
    " it, which must be even. Credits count above zero.",
    (
        Column("currency", "Currency"),
        Column("kind", "Kind of account"),
        Column("accounts", "Accounts", Cell.COUNT),
        Column("opening", "Opening", Cell.MONEY),
        Column("debits", "Taken", Cell.MONEY),
        Column("credits", "Given", Cell.MONEY),
        Column("closing", "Closing", Cell.MONEY),
        Column("balanced", "Even"),
    ),
    _trial_rows,
)

GROUPS: Final[tuple[tuple[str, tuple[Report, ...]], ...]] = (
    ("Revenue", (revenue.GGR, revenue.NGR)),
    (
        "Players' money",
        (player_funds.PLAYER_FUNDS, player_funds.FUNDS_IN_PLAY, player_funds.BALANCES),
    ),
    (
        "Payments",
        (
            payment_flows.FLOWS,
            payment_flows.WAITING,
            payment_flows.COUNTRIES,
            payment_flows.PAYMENTS,
        ),
    ),
    ("Books", (TRIAL_BALANCE,)),
)
REPORTS: Final[dict[str, Report]] = {
    report.name: report for _, reports in GROUPS for report in reports
}

"""What is the players' at an instant, what stands in unfinished rounds, and whether it is covered.

A balance at an instant is what is posted less what moved at or after it: exact, whenever it is
asked, since entries never change and `check_ledger` proves that balances are their sums. Credits
count positive in the books: a player's money is above zero, what a provider or a bank holds of ours
is below. A debt of a player lessens nothing here: it is shown apart.

Money has no name on it: what test accounts paid in is first at a provider, then at a bank, mixed
with everybody's. So it leaves as one sum from what both hold together, and what each holds stands
as the books have it. What providers kept as fees is gone from there, and is the house's to bear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from audit.one_view import fetched
from backoffice.finance.report_shape import Cell, Column, Reach, Report, Span

_STOOD: Final = """
WITH later AS MATERIALIZED (
    SELECT account, sum(amount)::bigint AS moved FROM ledger_entry WHERE posted_at >= %(as_of)s
    GROUP BY account
), stood AS (
    SELECT a.id, a.kind, a.owner_ref, a.currency, a.posted - coalesce(l.moved, 0) AS minor
    FROM ledger_account a LEFT JOIN later l ON l.account = a.id
    WHERE a.kind = ANY(%(kinds)s) AND a.posted - coalesce(l.moved, 0) <> 0
)
"""
_FUNDS: Final = f"""
{_STOOD}
SELECT s.currency, s.kind, coalesce(p.is_test, false), sum(s.minor)::bigint
FROM stood s
LEFT JOIN accounts_player p ON s.owner_ref ~ '^player:[0-9]{{1,18}}$'
    AND p.user_id = CASE WHEN s.owner_ref ~ '^player:[0-9]{{1,18}}$'
        THEN substr(s.owner_ref, 8)::bigint END
GROUP BY 1, 2, 3
"""  # noqa: S608  (fixed words)
#: What test accounts paid in and did not take out again: no cover for anybody, won or lost. What
#: a provider took back of it counts when it was taken from the account.
_PAID_IN_BY_TESTS: Final = """
SELECT a.currency, sum(e.amount)::bigint
FROM accounts_player p
JOIN ledger_account a
    ON a.owner_ref = 'player:' || p.user_id AND a.kind IN ('player_cash', 'player_held')
JOIN ledger_entry e ON e.account = a.id AND e.posted_at < %(as_of)s
JOIN ledger_account other ON other.id = e.counterpart
    AND other.kind IN ('psp_clearing', 'chargebacks')
WHERE p.is_test GROUP BY 1
"""
#: Of what an escrow holds, what test accounts put there; asked only of the few that hold something.
_IN_PLAY: Final = f"""
{_STOOD}, parts AS (
    SELECT s.owner_ref, s.currency, s.minor, coalesce(of_tests.minor, 0)::bigint AS test
    FROM stood s
    CROSS JOIN LATERAL (
        SELECT sum(e.amount) AS minor FROM ledger_entry e
        JOIN ledger_account other ON other.id = e.counterpart
        JOIN accounts_player p ON p.is_test AND p.user_id = CASE
            WHEN other.owner_ref ~ '^player:[0-9]{{1,18}}$'
            THEN substr(other.owner_ref, 8)::bigint END
        WHERE e.account = s.id AND e.posted_at < %(as_of)s
    ) of_tests
)
SELECT coalesce(b.game, ''), coalesce(r.table_id, ''), x.currency, count(*),
    sum(x.minor - x.test)::bigint, sum(x.test)::bigint
FROM parts x
LEFT JOIN tables_round r ON r.id = CASE WHEN x.owner_ref ~ '^round:[0-9a-f-]{{36}}$'
    THEN substr(x.owner_ref, 7)::uuid END
LEFT JOIN tables_table b ON b.id = r.table_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""  # noqa: S608  (fixed words)
_BALANCES: Final = f"""
{_STOOD}
SELECT substr(s.owner_ref, 8)::bigint AS player, s.currency,
    coalesce(sum(s.minor) FILTER (WHERE s.kind = 'player_cash'), 0)::bigint,
    coalesce(sum(s.minor) FILTER (WHERE s.kind = 'player_held'), 0)::bigint,
    coalesce(sum(-s.minor) FILTER (WHERE s.kind = 'receivable'), 0)::bigint,
    CASE WHEN bool_or(p.is_test) THEN 'yes' ELSE 'no' END
FROM stood s
LEFT JOIN accounts_player p ON p.user_id = substr(s.owner_ref, 8)::bigint
WHERE s.owner_ref ~ '^player:[0-9]{{1,18}}$'
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608  (fixed words)

_OWED: Final = ("player_cash", "player_held")
_ALL: Final = (*_OWED, "receivable", "escrow", "suspense", "psp_clearing", "bank", "psp_fees")


@dataclass(frozen=True, slots=True)
class Funds:
    """One currency at an instant, in minor units, test accounts apart on both sides.

    ``at_providers_minor`` and ``at_banks_minor`` are as the books have them; of both together,
    ``test_paid_in_minor`` is of test accounts and covers nobody: never below zero, since what they
    took out beyond it is gone, and never more than is there. ``fees_minor`` is what providers kept
    so far, which is gone from what they hold and a cost of the house.

    ``unallocated_minor`` is money that came and is nobody's yet; it may have to go back, so it
    counts as owed. ``receivable_minor`` is what players owe, and lessens nothing.
    """

    currency: str
    cash_minor: int
    held_minor: int
    in_play_minor: int
    unallocated_minor: int
    receivable_minor: int
    at_providers_minor: int
    at_banks_minor: int
    test_paid_in_minor: int
    fees_minor: int
    test_minor: int
    test_in_play_minor: int

    @property
    def owed_minor(self) -> int:
        """What is the players': in their accounts, on its way to them, in play, unallocated."""
        return self.cash_minor + self.held_minor + self.in_play_minor + self.unallocated_minor

    @property
    def surplus_minor(self) -> int:
        """What providers and banks hold above it, without test accounts; below zero it is not
        covered."""
        held_minor = self.at_providers_minor + self.at_banks_minor
        return held_minor - self.test_paid_in_minor - self.owed_minor

    @property
    def is_covered(self) -> bool:
        return self.surplus_minor >= 0


def funds(as_of: datetime) -> list[Funds]:
    """By currency; empty for empty books. Reads in the caller's transaction."""
    found: dict[str, dict[tuple[str, bool], int]] = {}
    for currency, kind, is_test, minor in _asked(_FUNDS, as_of, _ALL):
        found.setdefault(currency, {})[kind, is_test] = minor
    test_in_play: dict[str, int] = {}
    for row in in_play(as_of):
        test_in_play[row.currency] = test_in_play.get(row.currency, 0) + row.test_minor
    paid_in = dict(_asked(_PAID_IN_BY_TESTS, as_of, ()))
    return [
        _funds(currency, found[currency], test_in_play.get(currency, 0), paid_in.get(currency, 0))
        for currency in sorted(found)
    ]


def _funds(
    currency: str, by: dict[tuple[str, bool], int], test_in_play: int, test_paid_in: int
) -> Funds:
    def real(kind: str) -> int:
        return by.get((kind, False), 0)

    at_providers, at_banks = -real("psp_clearing"), -real("bank")
    return Funds(
        currency=currency,
        cash_minor=real("player_cash"),
        held_minor=real("player_held"),
        in_play_minor=real("escrow") - test_in_play,
        unallocated_minor=real("suspense"),
        receivable_minor=-real("receivable"),
        at_providers_minor=at_providers,
        at_banks_minor=at_banks,
        test_paid_in_minor=max(0, min(test_paid_in, at_providers + at_banks)),
        fees_minor=-real("psp_fees"),
        test_minor=sum(by.get((kind, True), 0) for kind in _OWED),
        test_in_play_minor=test_in_play,
    )


@dataclass(frozen=True, slots=True)
class InPlay:
    """What the escrows of one table's rounds hold at an instant, test accounts apart."""

    game: str
    table: str
    currency: str
    rounds: int
    minor: int
    test_minor: int


def in_play(as_of: datetime) -> list[InPlay]:
    """Rounds whose stakes were not given out at ``as_of``; empty when nothing stood."""
    return [InPlay(*row) for row in _asked(_IN_PLAY, as_of, ("escrow",))]


def _asked(sql: str, as_of: datetime, kinds: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"as_of": as_of, "kinds": list(kinds)})
        return list(cursor.fetchall())


def _funds_rows(span: Span) -> Iterator[tuple[object, ...]]:
    for one in funds(span.as_of):
        yield (
            one.currency, one.cash_minor, one.held_minor, one.in_play_minor,
            one.unallocated_minor, one.owed_minor, one.at_providers_minor, one.at_banks_minor,
            one.test_paid_in_minor, one.surplus_minor, "yes" if one.is_covered else "no",
            one.fees_minor, one.receivable_minor, one.test_minor, one.test_in_play_minor,
        )  # fmt: skip


def _in_play_rows(span: Span) -> Iterator[tuple[object, ...]]:
    for one in in_play(span.as_of):
        yield one.game, one.table, one.currency, one.rounds, one.minor, one.test_minor


def _balance_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """A row per player, fetched in pieces."""
    yield from fetched(_BALANCES, {"as_of": span.as_of, "kinds": [*_OWED, "receivable"]})


PLAYER_FUNDS: Final = Report(
    "player-funds",
    "Player funds",
    "What is the players' at an instant, per currency, against what providers and banks hold for"
    " the house. What test accounts paid in is in what those hold, covers nothing and is taken off."
    " Fees that providers kept are the house's to bear: what is missing, it pays in. Debts of"
    " players lessen nothing.",
    (
        Column("currency", "Currency"),
        Column("cash", "In accounts", Cell.MONEY, is_total=True),
        Column("held", "Withdrawals under way", Cell.MONEY, is_total=True),
        Column("in_play", "In unfinished rounds", Cell.MONEY, is_total=True),
        Column("unallocated", "Came, not allocated", Cell.MONEY, is_total=True),
        Column("owed", "Owed to players", Cell.MONEY, is_total=True),
        Column("at_providers", "At providers", Cell.MONEY, is_total=True),
        Column("at_banks", "At banks", Cell.MONEY, is_total=True),
        Column("test_paid_in", "Of it by test accounts", Cell.MONEY, is_total=True),
        Column("surplus", "Above what is owed", Cell.MONEY, is_total=True),
        Column("covered", "Covered"),
        Column("fees", "Fees kept so far", Cell.MONEY, is_total=True),
        Column("receivable", "Players owe", Cell.MONEY, is_total=True),
        Column("test_accounts", "Test accounts", Cell.MONEY, is_total=True),
        Column("test_in_play", "Test in rounds", Cell.MONEY, is_total=True),
    ),
    _funds_rows,
    Reach.INSTANT,
)
FUNDS_IN_PLAY: Final = Report(
    "funds-in-play",
    "Funds in unfinished rounds",
    "What the rounds that had not been given out held at an instant, per table and currency.",
    (
        Column("game", "Game"),
        Column("table", "Table"),
        Column("currency", "Currency"),
        Column("rounds", "Rounds", Cell.COUNT, is_total=True),
        Column("in_play", "In play", Cell.MONEY, is_total=True),
        Column("test_accounts", "Test accounts", Cell.MONEY, is_total=True),
    ),
    _in_play_rows,
    Reach.INSTANT,
)
BALANCES: Final = Report(
    "player-balances",
    "Balances of players",
    "Every player whose account held something at an instant, by number: the lines behind Player"
    " funds. Test accounts are marked; their lines are in the totals.",
    (
        Column("player", "Player"),
        Column("currency", "Currency"),
        Column("cash", "In account", Cell.MONEY, is_total=True),
        Column("held", "On its way out", Cell.MONEY, is_total=True),
        Column("receivable", "Owes", Cell.MONEY, is_total=True),
        Column("test_account", "Test account"),
    ),
    _balance_rows,
    Reach.INSTANT,
    is_long=True,
)

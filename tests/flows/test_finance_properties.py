"""Whatever is played, voided, corrected, refunded, disputed and adjusted, by players and by test
accounts: the reports are what independent sums over the ledger say, to the minor unit."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backoffice.finance import taking
from backoffice.finance.catalogue import REPORTS
from backoffice.finance.taking import Asked
from kernel.ids import new_id
from ledger import accounts
from payments import booking
from payments.disputes import chargebacks
from payments.states import DepositState
from payments.steps import lock_deposit, move_deposit
from tables.corrections import corrections
from tables.play import suspension
from tables.play.evidence import Fault
from tests import house
from tests.flows.chargeback_steps import captured_deposit, disputed, finance
from tests.flows.finance_steps import is_test
from tests.flows.incident_steps import bet, person
from tests.flows.ledger_steps import adjusted, adjustments

pytestmark = [pytest.mark.feature("F71"), pytest.mark.feature("F72")]

#: Independent of the reports: every entry on accounts of a kind, test accounts' own apart.
ENTRIES = """
SELECT a.kind, coalesce(sum(e.amount), 0)::bigint FROM ledger_entry e
JOIN ledger_account a ON a.id = e.account
LEFT JOIN accounts_player p ON a.owner_ref = 'player:' || p.user_id
WHERE NOT coalesce(p.is_test, false) GROUP BY a.kind
"""
RESULT = ("house", "psp_fees", "chargebacks", "adjustments")


class Day:
    """A table, two players and a test account, and what may happen to them."""

    def __init__(self) -> None:
        self.pit = house.pit()
        self.players = [house.player(balance_minor=90_000) for _ in range(2)]
        self.players.append(is_test(house.player(balance_minor=90_000)))
        self.boss, self.one, self.two = person(), finance(), finance()

    def play(self, who: int, number: int, minor: int) -> None:
        self.pit.open_round()
        bet(self.players[who], ("red", minor), (f"straight:{number}", 100))
        self.pit.play(number)

    def void(self, who: int, number: int, minor: int) -> None:
        self.pit.open_round()
        bet(self.players[who], ("black", minor))
        suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
        suspension.void_round(self.pit.round().id, reason="drill", actor=house.TESTER)
        suspension.resume("alexandria", cause="drill over", actor=house.TESTER)

    def correct(self, who: int, number: int, minor: int) -> None:
        self.pit.open_round()
        bet(self.players[who], (f"straight:{number}", 100), ("odd", minor))
        played = self.pit.play(number)
        wanted = {"reason": "misread", "key": new_id().hex, "actor": self.boss}
        found = corrections.propose(played.id, (number + 1) % 37, **wanted)
        corrections.approve(
            found.id, shortfall="house" if minor % 2 else "receivable", actor=self.one
        )

    def refund(self, who: int, number: int, minor: int) -> None:
        deposit = captured_deposit(self.players[who], minor)
        with transaction.atomic():
            locked = lock_deposit(deposit.pk)
            booking.reverse(locked, locked.amount_minor, house.TESTER)
            move_deposit(locked, DepositState.REFUNDED, actor=house.TESTER, cause="test")

    def dispute(self, who: int, number: int, minor: int) -> None:
        deposit = captured_deposit(self.players[who], minor)
        bearer = "house" if number % 2 else "receivable"
        taken = disputed(deposit, minor, by=self.one, dispute=new_id().hex[:12], shortfall=bearer)
        chargebacks.approve(taken.id, actor=self.two, note="")

    def adjust(self, who: int, number: int, minor: int) -> None:
        cash = accounts.player_cash(self.players[who], "EUR")
        adjusted(adjustments(), cash, minor)

    def leave_open(self, who: int, number: int, minor: int) -> None:
        """A round with a bet in it, which the next act that plays brings to its end."""
        self.pit.open_round()
        bet(self.players[who], ("even", minor))


acts = st.tuples(
    st.sampled_from(["play", "void", "correct", "refund", "dispute", "adjust", "leave_open"]),
    st.integers(0, 2),
    st.integers(0, 36),
    st.integers(1, 40).map(lambda units: units * 50),
)


@pytest.fixture
def day(database) -> Day:
    return Day()


def totals(name: str) -> dict[str, int]:
    span = taking.span_of(Asked())
    report, found = REPORTS[name], {}
    for row in report.rows(span):
        for column, value in zip(report.columns, row, strict=True):
            if column.is_total:
                found[column.name] = found.get(column.name, 0) + int(value)
    return found


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],  # the house goes on from example to example: nothing to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(acts, min_size=3, max_size=7))
def test_reports_are_the_sums_of_the_ledger(day, happened):
    for act, who, number, minor in happened:
        getattr(day, act)(who, number, minor)
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES)
        booked = dict(cursor.fetchall())
    gross, net, funds = totals("ggr"), totals("ngr"), totals("player-funds")
    swept = sum(booked.get(kind, 0) for kind in RESULT)
    assert net["ngr"] + net["test_accounts"] == swept
    assert gross["ggr"] + gross["test_accounts"] == gross["house_account"]
    assert net["ggr"] == gross["ggr"]
    assert net["outside_rounds"] + gross["house_account"] == booked.get("house", 0)
    assert funds["cash"] == booked.get("player_cash", 0)
    assert funds["held"] == booked.get("player_held", 0)
    assert funds["receivable"] == -booked.get("receivable", 0)
    assert funds["in_play"] + funds["test_in_play"] == booked.get("escrow", 0)
    at_providers = funds["at_providers"]
    assert at_providers == -booked["psp_clearing"]
    assert 0 <= funds["test_paid_in"] <= at_providers + funds["at_banks"]
    everything = swept + funds["owed"] + funds["test_accounts"] + funds["test_in_play"]
    assert everything - funds["receivable"] - at_providers == 0

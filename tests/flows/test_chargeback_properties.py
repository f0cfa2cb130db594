"""Any sequence of deposits, bets, wins, disputes, returns and debts: the plainest account of it
agrees with the books to the minor unit, and so do those who check them from outside."""

from dataclasses import dataclass, field
from functools import partial

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit import seals
from audit.checking import check_database
from kernel.ids import Actor, new_id
from kernel.money import Money
from ledger import accounts
from ledger import chargebacks as booked
from ledger.adjustments import AdjustmentCode
from ledger.exports import export
from ledger.postings import TransferKind
from payments.disputes import chargebacks, debts
from tests import house
from tests.flows.chargeback_steps import (
    captured_deposit,
    cash,
    disputed,
    finance,
    lost,
    owed,
    refused_with,
    spend,
)
from tests.flows.ledger_steps import (
    assert_books_clean,
    escrow,
    move,
    post_all,
    posted,
    stake,
    try_all,
)
from tests.flows.test_ledger_exports import hledger, needs_hledger

pytestmark = pytest.mark.feature("F72")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    return finance(), finance()


@dataclass
class Model:
    """What ought to be: a purse, a debt, what the house lost, and the disputes."""

    cash: int = 0
    owed: int = 0
    lost: int = 0
    pot: int = 0
    #: per deposit: what may still be disputed of it
    left: list[int] = field(default_factory=list)
    #: per booked chargeback: deposit, from cash, from the bearer, whether the house bears
    open: list[tuple[int, int, int, bool]] = field(default_factory=list)

    def dispute(self, deposit: int, amount: int, *, house_bears: bool) -> None:
        taken = min(amount, self.cash)
        self.left[deposit] -= amount
        self.cash -= taken
        self.owed += 0 if house_bears else amount - taken
        self.lost += amount - taken if house_bears else 0
        self.open.append((deposit, taken, amount - taken, house_bears))

    def returned(self, which: int) -> None:
        deposit, taken, rest, house_bears = self.open.pop(which)
        self.left[deposit] += taken + rest
        off = 0 if house_bears else min(rest, self.owed)
        self.owed -= off
        self.lost -= rest if house_bears else 0
        self.cash += taken + (0 if house_bears else rest - off)


class Played:
    """Anna and her disputes, in the books and beside them; what has no object does nothing."""

    def __init__(self, two):
        self.one, self.other = two
        self.anna, self.pot, self.lost_before = house.player(), escrow(), lost()
        self.purse = accounts.player_cash(self.anna, "EUR")
        self.model, self.paid, self.booked = Model(), [], []

    def deposit(self, amount, *_):
        self.paid.append(captured_deposit(self.anna, amount))
        self.model.cash += amount
        self.model.left.append(amount)

    def bet(self, amount, *_):
        amount = min(amount, self.model.cash)
        if amount:
            with transaction.atomic():
                assert try_all([stake(self.anna, self.purse, self.pot, amount)]) == ["posted"]
            self.model.cash -= amount
            self.model.pot += amount

    def win(self, amount, *_):
        amount = min(amount, self.model.pot)
        if amount:
            post_all([move(self.pot, self.purse, amount, TransferKind.PAYOUT)])
            self.model.cash += amount
            self.model.pot -= amount

    def collect(self, *_):
        due = min(self.model.owed, self.model.cash)
        how = {"reason": "debt_due", "note": "Due.", "id": new_id(), "actor": self.one}
        if due:
            made = debts.propose(self.anna, Money(due, "EUR"), **how)
            assert debts.approve(made.id, actor=self.other).decision == "approved"
        more = partial(debts.propose, self.anna, Money(self.model.owed - due + 1, "EUR"), **how)
        assert refused_with(more) in {AdjustmentCode.ABOVE_DEBT, AdjustmentCode.CONFLICT}
        self.model.cash -= due
        self.model.owed -= due

    def asked(self, amount, which, house_bears):
        """A dispute of what is left of a deposit, entered."""
        policy = "house" if house_bears else "receivable"
        amount = min(amount, self.model.left[which])
        return disputed(
            self.paid[which], amount, by=self.one, dispute=new_id().hex, shortfall=policy
        )

    def approve(self, asked):
        """What the page promised is what is booked."""
        outlook = booked.outlook(asked)
        done = chargebacks.approve(asked.id, actor=self.other)
        assert (done.cash_minor, done.bearer_minor) == (outlook.cash_minor, outlook.bearer_minor)

    def dispute(self, amount, which, house_bears):
        which %= len(self.paid)
        if self.model.left[which]:
            asked = self.asked(amount, which, house_bears)
            self.approve(asked)
            self.model.dispute(which, asked.amount_minor, house_bears=house_bears)
            self.booked.append(asked.id)

    def refused(self, amount, which, house_bears):
        which %= len(self.paid)
        if self.model.left[which]:
            asked = self.asked(amount, which, house_bears)
            chargebacks.refuse(asked.id, actor=self.other, note="No.")

    def returned(self, _amount, which, _house_bears):
        if self.booked:
            which %= len(self.booked)
            taken = self.booked.pop(which)
            self.approve(chargebacks.propose_return(taken, actor=self.one, note="Won."))
            self.model.returned(which)

    def books(self):
        return cash(self.anna), owed(self.anna), lost() - self.lost_before, posted(self.pot)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["deposit", "bet", "bet", "win", "collect", "dispute", "dispute", "refused", "returned"]
        ),
        st.integers(1, 900),
        st.integers(0, 9),
        st.booleans(),
    ),
    min_size=6,
    max_size=18,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.integers(1, 900), acts=ACTS)
@example(  # a debt that was paid in part before its dispute was won
    first=100,
    acts=[
        ("bet", 90, 0, False),
        ("dispute", 100, 0, False),
        ("deposit", 60, 0, False),
        ("collect", 1, 0, False),
        ("returned", 1, 0, False),
    ],
)
def test_any_sequence_ends_as_the_plainest_account_of_it_says(two, first, acts):
    played = Played(two)
    played.deposit(first)
    for name, *how in acts:
        getattr(played, name)(*how)
        model = played.model
        assert played.books() == (model.cash, model.owed, model.lost, model.pot), name
    assert_books_clean()


@needs_hledger
def test_those_who_check_the_books_from_outside_agree(two, tmp_path, settings):
    settings.STATE_DIR = tmp_path / "state"
    anna = house.player()
    paid = captured_deposit(anna, 5_000)
    spend(anna, 3_800)
    for policy, amount in (("receivable", 2_000), ("house", 1_500)):
        asked = disputed(paid, amount, by=two[0], dispute=policy, shortfall=policy)
        chargebacks.approve(asked.id, actor=two[1])
        back = chargebacks.propose_return(asked.id, actor=two[0], note="Won.")
        chargebacks.approve(back.id, actor=two[1])
        again = disputed(paid, amount, by=two[0], dispute=f"{policy}-2", shortfall=policy)
        chargebacks.approve(again.id, actor=two[1])
    for source in seals.sources():
        seals.seal(source)
    (tmp_path / "check").mkdir()
    assert check_database(tmp_path / "check").findings == []
    export(tmp_path / "books")
    checked = hledger(tmp_path / "books" / "journal.hledger", "check", "-s")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert_books_clean()

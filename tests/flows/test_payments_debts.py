"""What a player owes after a chargeback is collected from later money, never more than is owed."""

from functools import partial

import pytest

from accounts.roles import Role
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from ledger import chargebacks as booked
from payments import chargebacks, debts
from payments.debts import Debt, DebtCode
from tests import house
from tests.flows.chargeback_steps import (
    captured_deposit,
    cash,
    disputed,
    finance,
    owed,
    refused_with,
    spend,
)
from tests.flows.ledger_steps import assert_books_clean, books, correction, held
from tests.flows.staff_steps import make_staff, staff_client
from tests.races.test_ledger_races import at_once


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    return finance(), finance()


@pytest.fixture
def anna(two):
    """A player whose deposit of 50 was spent and taken back: she owes it."""
    player = house.player()
    paid = captured_deposit(player, 5_000)
    spend(player, 5_000)
    chargebacks.approve(disputed(paid, 5_000, by=two[0]).id, actor=two[1])
    assert (cash(player), owed(player)) == (0, 5_000)
    return player


def test_a_debt_is_collected_from_what_is_there_and_once_per_key(two, anna):
    assert debts.debts(anna) == [Debt(eur(5_000), eur(0))]
    house.fund(anna, 3_000)
    held(correction(accounts.player_cash(anna, "EUR"), 500))
    assert debts.debts(anna) == [Debt(eur(5_000), eur(2_500))]
    key = new_id()

    for _ in range(2):
        assert debts.collect(anna, "EUR", key=key, actor=two[0]) == eur(2_500)

    assert (cash(anna), owed(anna)) == (500, 2_500)
    house.fund(anna, 9_000)
    assert debts.collect(anna, "EUR", key=new_id(), actor=two[0]) == eur(2_500)
    assert (cash(anna), owed(anna), debts.debts(anna)) == (7_000, 0, [])
    found = AuditEvent.objects.filter(kind="debt.collected").order_by("id")
    assert [one.after["collected_minor"] for one in found] == [2_500, 2_500]
    assert_books_clean()


def test_nothing_is_collected_by_others_without_a_debt_or_without_money(two, anna):
    other = house.player(balance_minor=1_000)
    nobody = Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)
    key = new_id()
    before = books()["transfer"]

    def collect(player, by=two[0]):
        return lambda: debts.collect(player, "EUR", key=key, actor=by)

    assert refused_with(collect(anna, nobody)) == "not_allowed"
    assert refused_with(collect(anna, Actor.player(anna))) == "not_allowed"
    assert refused_with(collect(anna)) is DebtCode.NOTHING_THERE
    assert refused_with(collect(other)) is DebtCode.NOTHING_OWED
    assert books()["transfer"] == before
    house.fund(anna, 1_000)
    collect(anna)()
    assert refused_with(collect(other)) is DebtCode.KEY_CONFLICT


def test_collected_by_many_at_once_no_debt_is_paid_twice(two, anna):
    house.fund(anna, 20_000)
    results = at_once(
        [lambda: debts.collect(anna, "EUR", key=new_id(), actor=two[0]) for _ in range(6)]
    )
    done = [one for one in results if isinstance(one, Money)]
    refused = {one.code for one in results if isinstance(one, Refused)}
    assert (done, refused) == ([eur(5_000)], {DebtCode.NOTHING_OWED})
    assert (cash(anna), owed(anna)) == (15_000, 0)
    assert_books_clean()


def test_finance_collects_at_the_players_page(anna):
    client = staff_client(Role.FINANCE)
    at = f"/admin/players/{anna}/"
    page = client.get(at).content.decode()
    assert "Owed to the house" in page
    assert "50.00 EUR" in page
    assert "of the debt" not in page
    house.fund(anna, 3_000)
    page = client.get(at)
    assert "Collect 30.00 EUR of the debt" in page.content.decode()
    assert "Collect" not in staff_client(Role.AUDITOR).get(at).content.decode()
    form = {"key": page.context["key"], "currency": "EUR"}
    for _ in range(2):
        done = client.post(f"{at}collect/", form, follow=True).content.decode()
        assert "Collected: 30.00 EUR." in done
    assert (cash(anna), owed(anna)) == (0, 2_000)
    for wrong in ({"key": "x"}, {"currency": "XXX"}):
        answer = client.post(f"{at}collect/", form | wrong, follow=True).content.decode()
        assert "(bad_key)" in answer or "incomplete" in answer


def test_a_debt_that_was_lessened_at_the_same_moment_is_not_collected_above_it(
    two, anna, monkeypatch
):
    """The dispute is won between looking and posting: what was looked at is no longer owed."""
    house.fund(anna, 9_000)
    (taken,) = [one for one in booked.decided() if one.step == "taken"]
    back = chargebacks.propose_return(taken.id, actor=two[0], note="Won.")
    real = debts.post

    def late(**asked):
        at_once([lambda: chargebacks.approve(back.id, actor=two[1])])
        return real(**asked)

    monkeypatch.setattr(debts, "post", late)
    act = partial(debts.collect, anna, "EUR", key=new_id(), actor=two[0])
    assert refused_with(act) is DebtCode.CHANGED
    assert (cash(anna), owed(anna)) == (9_000, 0)
    assert_books_clean()

"""Net deposits of a lifetime: what was refunded or charged back was not deposited in the end."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from audit.database_clock import database_now
from compliance.play_safely.activity import activity
from compliance.standing import read_standing
from kernel.ids import Actor, PlayerId
from ledger.shortfall import Shortfall
from payments import selectors
from payments.disputes import chargebacks
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport
from payments.states import DepositState
from tests import house
from tests.flows.chargeback_steps import captured_deposit, disputed, finance, spend

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F96")]


def lifetime(player: PlayerId) -> tuple[int, int, int]:
    """Paid in, gone back, net."""
    found = activity(read_standing(player), 7, database_now())
    return (
        found.lifetime_deposited_minor,
        found.lifetime_went_back_minor,
        found.lifetime_net_minor,
    )


def refund(deposit) -> None:
    report = DepositReport(deposit.pk, deposit.provider_ref, DepositState.REFUNDED, deposit.amount)
    deposits.apply(report, cause="asked", actor=Actor.system("test"), confirmed=True)


def test_a_refund_counts_whole_also_where_the_player_had_played_with_it():
    player, other = house.player(), house.player()
    kept, back = captured_deposit(player, 5_000), captured_deposit(player, 3_000)
    captured_deposit(other, 7_000)
    assert lifetime(player) == (8_000, 0, 8_000)
    spend(player, 7_000)  # of the refund 1.000 is there, the rest is owed
    refund(back)
    assert lifetime(player) == (8_000, 3_000, 5_000)
    assert lifetime(other) == (7_000, 0, 7_000)
    assert selectors.went_back_minor(player, "GBP") == 0
    assert kept.amount_minor == 5_000


def test_a_chargeback_counts_from_its_approval_whoever_bears_it_until_it_comes_back():
    player, one, two = house.player(), finance(), finance()
    deposit = captured_deposit(player, 5_000)
    spend(player, 4_000)
    asked = disputed(deposit, 5_000, by=one, shortfall=Shortfall.HOUSE.value)
    assert lifetime(player) == (5_000, 0, 5_000)
    chargebacks.approve(asked.id, actor=two)
    assert lifetime(player) == (5_000, 5_000, 0)
    returned = chargebacks.propose_return(asked.id, note="We won.", actor=one)
    assert lifetime(player) == (5_000, 5_000, 0)
    chargebacks.approve(returned.id, actor=two)
    assert lifetime(player) == (5_000, 0, 5_000)


def test_the_page_says_what_went_back_and_says_nothing_of_it_where_nothing_did():
    player = house.player()
    captured_deposit(player, 5_000)
    browser = Client()
    browser.force_login(
        get_user_model().objects.get(pk=player), "accounts.authentication.PasswordAtOwnDoor"
    )
    page = browser.get("/play-safely/").content.decode()
    assert "€50.00 net deposits" in page
    assert "went back" not in page
    refund(captured_deposit(player, 2_000))
    page = browser.get("/play-safely/").content.decode()
    assert "you paid in €70.00, of which €20.00 went back to where it came from" in page
    assert "€50.00 net deposits" in page

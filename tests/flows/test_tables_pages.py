"""The live game by forms, as a browser without scripts uses it."""

import re

import pytest
from django.test import Client

from accounts.models import User
from kernel.ids import new_id
from tables.models import Bet, Slip
from tests import house

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def anna():
    return house.player(balance_minor=10_000)


@pytest.fixture
def browser(anna):
    client = Client()
    client.force_login(
        User.objects.get(pk=anna), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def post(browser, act, **fields):
    fields = {"key": new_id().hex} | fields
    return browser.post(f"/tables/alexandria/{act}/", fields, follow=True)


def text(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_a_visitor_sees_the_lobby_and_is_asked_to_sign_in_at_a_table():
    house.pit().open_round()
    page = Client().get("/")
    assert page.status_code == 200
    assert "Alexandria" in text(page)
    assert Client().get("/tables/alexandria/").status_code == 302


def test_a_bet_by_form_is_taken_and_shown(anna, browser):
    house.pit().open_round()
    page = post(browser, "bet", chip="500", position="straight:17")
    assert page.status_code == 200
    assert "Straight 17" in text(page)
    assert house.balance(anna) == 9_500
    assert (Bet.objects.get().position, Bet.objects.get().stake_minor) == ("straight:17", 500)


def test_an_announced_bet_is_expanded_into_its_positions(anna, browser):
    house.pit().open_round()
    post(browser, "bet", chip="100", announced="tiers")
    assert Bet.objects.count() == 6
    assert house.balance(anna) == 9_400


def test_undo_double_and_rebet_by_form(anna, browser):
    pit = house.pit()
    pit.open_round()
    post(browser, "bet", chip="100", position="red")
    post(browser, "double")
    assert house.balance(anna) == 9_800
    post(browser, "undo")
    assert house.balance(anna) == 9_900
    pit.play(2)
    pit.open_round()
    post(browser, "rebet")
    assert house.balance(anna) == 9_800


def test_a_refused_bet_says_why_and_charges_nothing(anna, browser):
    pit = house.pit()
    pit.open_round()
    page = post(browser, "bet", stake="99999", position="red")
    assert "takes at most" in text(page)
    assert "Nothing was charged" in text(page)
    pit.close_betting()
    page = post(browser, "bet", chip="100", position="red")
    assert "Too late" in text(page)
    for nonsense in ({"position": "straight:99"}, {}, {"announced": "x"}):
        assert post(browser, "bet", chip="100", **nonsense).status_code == 200
    assert post(browser, "bet", chip="-5", position="red").status_code == 200
    assert post(browser, "bet", chip="100", position="red", key="!").status_code == 200
    assert house.balance(anna) == 10_000
    assert not Slip.objects.exists()


@pytest.mark.parametrize("typed", [{"chip": "²"}, {"stake": "²"}, {"chip": "100", "round": "²"}])
def test_a_digit_that_is_no_number_is_answered_as_any_nonsense(anna, browser, typed):
    """Python says that "²" is a digit; it is nothing that `int` reads."""
    house.pit().open_round()
    page = post(browser, "bet", position="red", **typed)
    assert page.status_code == 200
    placed = "round" in typed  # what names no round is a bet on the one in play
    assert house.balance(anna) == (9_900 if placed else 10_000)
    assert Slip.objects.exists() is placed
    older = Client().get("/api/tables/alexandria/rounds", {"before": "²"})
    assert (older.status_code, older.json()) == (400, {"before": "a round's number"})


def test_sending_the_same_form_twice_bets_once(anna, browser):
    house.pit().open_round()
    for _ in range(2):
        post(browser, "bet", chip="100", position="red", key="pressed-twice")
    assert house.balance(anna) == 9_900


@pytest.mark.feature("F42")
def test_the_page_of_a_round_shows_bets_sources_and_funds_before_and_after(anna, browser):
    pit = house.pit()
    round_ = pit.open_round()
    post(browser, "bet", chip="100", position="straight:17")
    pit.play(17)
    page = browser.get(f"/rounds/{round_.id}/")
    shown = text(page)
    assert page.status_code == 200
    assert page.context["balance_before_minor"] == 10_000
    assert page.context["balance_after_minor"] == 13_500
    assert page.context["round"]["result_sources"] == ["the presenter", "the wheel's sensor"]
    assert "Straight 17" in shown
    assert browser.get("/history/").status_code == 200


@pytest.mark.feature("F41")
def test_the_rules_page_is_generated_from_the_rules_that_settle(browser):
    page = browser.get("/rules/")
    assert page.status_code == 200
    assert "2.70" in text(page)
    assert "35:1" in text(page)
    assert browser.get("/help/").status_code == 200


def test_the_api_shows_the_table_and_the_players_own_bets(anna, browser):
    house.pit().open_round()
    post(browser, "bet", chip="100", position="red")
    said = browser.get("/api/tables/alexandria/").json()
    assert (said["round"]["phase"], said["can_bet"]) == ("betting_open", True)
    assert said["balance_minor"] == 9_900
    assert [(bet["code"], bet["stake_minor"]) for bet in said["bets"]] == [("red", 100)]
    stranger = Client().get("/api/tables/alexandria/").json()
    assert (stranger["bets"], stranger["balance_minor"]) == ([], None)
    assert Client().get("/api/tables/nowhere/").status_code == 404


def test_an_unknown_table_is_a_404_page(browser):
    assert browser.get("/tables/nowhere/").status_code == 404
    assert post(browser, "bet", chip="100", position="red").status_code == 404  # no such table

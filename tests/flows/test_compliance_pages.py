"""Sign-up decisions and the page "Play safely", by plain form posts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from compliance import limits, sign_up
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Standing
from compliance.sign_up import SignUpCode, eligibility
from events import orders
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def player(database) -> PlayerId:
    return sign_up.register_player(
        email="ada@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )


@pytest.fixture
def browser(player) -> Client:
    client = Client()
    client.force_login(
        get_user_model().objects.get(pk=player),
        "accounts.authentication.PasswordAtOwnDoor",
    )
    return client


@pytest.mark.feature("F108")
@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"date_of_birth": date(2008, 11, 24)}, SignUpCode.UNDER_AGE),
        ({"date_of_birth": date(2027, 1, 1)}, SignUpCode.IMPLAUSIBLE_BIRTH),
        ({"date_of_birth": date(1880, 1, 1)}, SignUpCode.IMPLAUSIBLE_BIRTH),
        ({"country": "US"}, SignUpCode.COUNTRY_NOT_OFFERED),
        ({"country": ""}, SignUpCode.COUNTRY_NOT_OFFERED),
        ({"currency": "XXX"}, SignUpCode.CURRENCY_NOT_OFFERED),
    ],
)
def test_who_may_not_play_learns_it_before_an_account_exists(database, facts, code):
    person = {"date_of_birth": date(2008, 11, 23), "country": "MT", "currency": "EUR"}
    assert eligibility(**person, now=NOW).code == "DEMO"
    with pytest.raises(Refused) as refused:
        eligibility(**(person | facts), now=NOW)
    assert refused.value.code is code


def test_refused_registration_leaves_nothing(database):
    with pytest.raises(Refused, match="under_age"):
        sign_up.register_player(
            email="kid@example.com",
            password="long enough for anybody 77",
            date_of_birth=date(2015, 1, 1),
            country="MT",
            currency="EUR",
            actor=Actor.system("test"),
        )
    assert get_user_model().objects.count() == 0
    assert Standing.objects.count() == 0


@pytest.mark.feature("F95")
def test_a_deposit_limit_is_free_text_and_holds_at_once(browser, player):
    page = browser.get("/play-safely/")
    assert page.status_code == 200
    answer = browser.post(
        "/play-safely/limits/deposit/", {"deposit-period": "week", "deposit-amount": "123,45"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/play-safely/")
    [found] = limits.own_limits(player)
    assert (found.kind, found.period) == (LimitKind.DEPOSIT, Period.WEEK)
    assert found.state.amount_minor == 12_345
    text = browser.get("/play-safely/").content.decode()
    assert "€123.45" in text


@pytest.mark.parametrize("amount", ["0", "-5", "1e3", "12.345", "five", "<script>"])
def test_an_amount_that_is_none_gets_a_clear_answer_and_changes_nothing(browser, player, amount):
    answer = browser.post(
        "/play-safely/limits/loss/", {"loss-period": "day", "loss-amount": amount}
    )
    assert answer.status_code == 422
    assert "<script>" not in answer.content.decode()
    assert limits.own_limits(player) == []


def test_a_higher_limit_waits_and_can_be_cancelled_from_the_page(browser, player):
    for amount in ("50", "80"):
        browser.post("/play-safely/limits/loss/", {"loss-period": "day", "loss-amount": amount})
    text = browser.get("/play-safely/").content.decode()
    assert "You asked for €80.00" in text
    assert "Confirm the higher limit" not in text
    browser.post("/play-safely/limits/loss/day/cancel/")
    [found] = limits.own_limits(player)
    assert (found.state.amount_minor, found.state.pending_at) == (5_000, None)


@pytest.mark.feature("F102")
def test_self_exclusion_needs_one_page_signs_out_and_places_the_order(browser, player):
    answer = browser.post("/play-safely/exclude/", {"days": "190", "sure": "on"})
    assert answer.status_code == 200
    assert "excluded from now on" in answer.content.decode()
    standing = Standing.objects.get(pk=player)
    assert standing.exclusion_holds
    assert standing.excluded_until - standing.excluded_at >= timedelta(days=186)
    [order] = orders.pending("player.excluded")
    assert (order.subject, order.payload["player_id"]) == (f"player:{player}", player)


@pytest.mark.feature("F102")
def test_self_exclusion_without_the_tick_is_not_begun(browser, player):
    answer = browser.post("/play-safely/exclude/", {"days": "190"})
    assert answer.status_code == 422
    assert Standing.objects.get(pk=player).excluded_until is None
    assert orders.pending("player.excluded") == []


def test_a_break_begins_at_once(browser, player):
    assert browser.post("/play-safely/break/", {"hours": "24"}).status_code == 200
    assert Standing.objects.get(pk=player).cool_off_until is not None


def test_the_page_is_for_people_who_are_signed_in(database):
    answer = Client().get("/play-safely/")
    assert answer.status_code == 302
    assert "/account/login/" in answer["Location"]

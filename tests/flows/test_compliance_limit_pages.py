"""Limits of every kind, the question before a deposit, the interval of checks, by plain forms."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from audit.database_clock import database_now
from compliance import limits
from compliance.forms import parse_time
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Standing
from kernel.refusal import Refused
from payments.models import Deposit
from tests import house

BACKEND = "accounts.authentication.PasswordAtOwnDoor"


@pytest.fixture
def player(database):
    found = house.player()
    Standing.objects.filter(pk=found).update(limits_answered_at=None)
    return found


@pytest.fixture
def browser(player) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(pk=player), BACKEND)
    return client


def own(player) -> dict:
    return {(one.kind, one.period): one.state.amount_minor for one in limits.own_limits(player)}


@pytest.mark.feature("F95")
@pytest.mark.feature("F99")
@pytest.mark.parametrize(
    ("kind", "period", "typed", "kept"),
    [
        ("wager", "month", "1000", {(LimitKind.WAGER, Period.MONTH): 100_000}),
        ("net_deposit", "day", "50,5", {(LimitKind.NET_DEPOSIT, Period.DAY): 5_050}),
        ("session_time", "day", "1:30", {(LimitKind.SESSION_TIME, Period.DAY): 5_400}),
        ("session_time", "week", "90", {(LimitKind.SESSION_TIME, Period.WEEK): 5_400}),
        ("balance", "", "500", {(LimitKind.BALANCE, Period.ALWAYS): 50_000}),
    ],
)
def test_every_kind_of_limit_is_set_by_its_own_form(browser, player, kind, period, typed, kept):
    answer = browser.post(
        f"/play-safely/limits/{kind}/", {f"{kind}-period": period, f"{kind}-amount": typed}
    )
    assert answer.status_code == 302
    assert own(player) == kept
    text = browser.get("/play-safely/").content.decode()
    assert ("1 h 30 min" if kind == "session_time" else "used of") in text


@pytest.mark.parametrize(
    ("kind", "typed", "words"),
    [
        ("session_time", "1h30", "That is no time"),
        ("session_time", "1:75", "That is no time"),
        ("session_time", "0", "A limit must be above zero"),
        ("session_time", "2000", "More than 24 h per day is not possible"),
        ("wager", "-5", "That is not an amount"),
        ("wager", "<script>alert(1)</script>"[:24], "That is not an amount"),
        ("balance", "0", "A limit must be above zero"),
    ],
)
def test_what_is_no_limit_gets_a_sentence_in_its_own_place(browser, player, kind, typed, words):
    answer = browser.post(
        f"/play-safely/limits/{kind}/", {f"{kind}-period": "day", f"{kind}-amount": typed}
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    assert "<script>alert" not in text
    assert own(player) == {}


@pytest.mark.parametrize("text", ["", "x", "1:5", "-3", "1.5", "100000", "12:345", "٣"])
def test_times_are_typed_as_minutes_or_hours_and_minutes(text):
    with pytest.raises(Refused):
        parse_time(text)


def test_typed_times_mean_what_they_say():
    assert parse_time(" 90 ") == parse_time("1:30") == timedelta(minutes=90)


@pytest.mark.feature("F96")
def test_before_the_first_deposit_the_player_says_which_limits_they_want_or_none(browser, player):
    page = browser.get("/cashier/").content.decode()
    assert "How much do you want to pay in at most?" in page
    assert 'action="/cashier/deposits/#deposit"' not in page
    assert 'action="/cashier/withdraw/"' in page
    # a form that was kept from before is no way around the question
    answer = browser.post("/cashier/deposits/", {"amount": "20", "key": "k" * 20})
    assert (answer.status_code, answer["Location"]) == (302, "/cashier/")
    assert Deposit.objects.count() == 0
    answer = browser.post("/play-safely/question/", {"week": "100", "next": "/cashier/"})
    assert (answer.status_code, answer["Location"]) == (302, "/cashier/")
    assert own(player) == {(LimitKind.DEPOSIT, Period.WEEK): 10_000}
    assert 'action="/cashier/deposits/#deposit"' in browser.get("/cashier/").content.decode()


@pytest.mark.feature("F96")
def test_saying_that_no_limit_is_wanted_is_an_answer_and_saying_nothing_is_none(browser, player):
    answer = browser.post("/play-safely/question/", {"next": "/cashier/"})
    assert answer.status_code == 422
    assert "say that you do not want one" in answer.content.decode()
    assert limits.must_answer(player, database_now())
    answer = browser.post("/play-safely/question/", {"none": "1", "next": "https://evil.test/"})
    assert answer["Location"] == "/play-safely/"
    assert not limits.must_answer(player, database_now())
    assert own(player) == {}


@pytest.mark.feature("F96")
def test_a_bad_amount_among_good_ones_leaves_the_question_open_and_keeps_what_was_typed(
    browser, player
):
    answer = browser.post("/play-safely/question/", {"day": "50", "week": "a lot"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "That is not an amount" in text
    assert 'value="a lot"' in text
    assert limits.must_answer(player, database_now())
    assert own(player) == {(LimitKind.DEPOSIT, Period.DAY): 5_000}


@pytest.mark.feature("F96")
def test_limits_are_asked_about_again_after_the_policy_s_time(browser, player):
    limits.answer(player, actor=house.TESTER, now=database_now() - timedelta(days=187))
    assert "How much do you want to pay in at most?" in browser.get("/cashier/").content.decode()
    assert "How much do you want" in browser.get("/play-safely/").content.decode()


@pytest.mark.feature("F100")
def test_the_interval_of_checks_is_chosen_on_the_page(browser, player):
    assert browser.post("/play-safely/checks/", {"minutes": "15"}).status_code == 302
    assert Standing.objects.get(pk=player).check_every_s == 900
    assert browser.post("/play-safely/checks/", {"minutes": "61"}).status_code == 422
    assert browser.post("/play-safely/checks/", {"minutes": "0"}).status_code == 422
    assert Standing.objects.get(pk=player).check_every_s == 900


@pytest.mark.feature("F97")
def test_the_history_shows_each_change_and_nobody_s_else(browser, player):
    house_limits = {"session_time-period": "day", "session_time-amount": "90"}
    browser.post("/play-safely/limits/session_time/", house_limits)
    browser.post(
        "/play-safely/limits/session_time/", house_limits | {"session_time-amount": "2:00"}
    )
    text = browser.get("/play-safely/").content.decode()
    assert text.count("Time limit per day") >= 3  # the limit itself and two changes
    assert "You asked for 2 h" in text
    stranger = Client()
    stranger.force_login(get_user_model().objects.get(pk=house.player()), BACKEND)
    assert "Time limit per day" not in stranger.get("/play-safely/").content.decode()

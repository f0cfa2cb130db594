"""What a player reads who may not play: nothing is offered that would be refused, help is near."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import User
from audit.database_clock import database_now
from compliance import exclusion, limits
from compliance.models import Standing
from kernel.ids import Actor, PlayerId
from tests import house
from tests.flows.accounts_steps import PASSWORD, sign_in

pytestmark = [pytest.mark.usefixtures("database")]
BACKEND = "accounts.authentication.PasswordAtOwnDoor"


def browser(player: PlayerId) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=player), backend=BACKEND)
    return client


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def take_break(player: PlayerId) -> None:
    until = database_now() + timedelta(days=1)
    exclusion.cool_off(player, until=until, actor=Actor.player(player), reason="rest")


def exclude(player: PlayerId) -> None:
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")


@pytest.mark.feature("F101", "F102")
@pytest.mark.parametrize(
    ("path", "sent", "heading"),
    [
        ("/play-safely/break/", {"hours": 24}, "Your break has begun"),
        ("/play-safely/exclude/", {"days": 190, "sure": "on"}, "You are excluded from now on"),
    ],
)
def test_who_has_just_stopped_sees_a_visitors_page_with_whom_to_call(path, sent, heading):
    page = browser(house.player(balance_minor=5_000)).post(path, sent).content.decode()
    assert heading in page
    assert "Talk to somebody" in page
    assert 'data-live="balance"' not in page
    assert "Sign up" in page  # the frame of a visitor
    assert "/account/login/" in page


@pytest.mark.feature("F101", "F102")
@pytest.mark.parametrize(
    ("stop", "words"), [(take_break, "You are taking a break"), (exclude, "You are excluded")]
)
def test_cashier_and_tables_say_why_and_offer_no_deposit(stop, words):
    player = house.player(balance_minor=5_000)
    client = browser(player)
    for path in ("/cashier/", "/"):
        assert words not in read(client, path)
    stop(player)
    client = browser(player)
    cashier, tables = read(client, "/cashier/"), read(client, "/")
    assert words in cashier
    assert 'action="/cashier/deposits/#deposit"' not in cashier
    assert 'action="/cashier/withdraw/"' in cashier
    assert words in tables


@pytest.mark.feature("F101")
def test_nobody_who_may_not_deposit_is_asked_how_much_they_want_to(owner):
    player = house.player()
    Standing.objects.filter(pk=player).update(limits_answered_at=None)
    question = "How much do you want to pay in at most?"
    assert question in read(browser(player), "/play-safely/")
    take_break(player)
    for path in ("/play-safely/", "/cashier/"):
        assert question not in read(browser(player), path)


@pytest.mark.feature("F95", "F100")
def test_setting_a_deposit_limit_answers_the_question_and_another_limit_does_not():
    player = house.player()
    Standing.objects.filter(pk=player).update(limits_answered_at=None)
    client = browser(player)
    client.post("/play-safely/limits/loss/", {"loss-period": "day", "loss-amount": "100"})
    assert limits.must_answer(player, database_now())
    client.post("/play-safely/limits/deposit/", {"deposit-period": "day", "deposit-amount": "-5"})
    assert limits.must_answer(player, database_now())
    client.post("/play-safely/limits/deposit/", {"deposit-period": "day", "deposit-amount": "50"})
    assert not limits.must_answer(player, database_now())
    page = client.post(
        "/play-safely/limits/deposit/",
        {"deposit-period": "day", "deposit-amount": "80"},
        follow=True,
    ).content.decode()
    at = database_now() + timedelta(days=1)
    assert f"The higher limit waits until {at.day} {at:%B %Y}, " in page


@pytest.mark.feature("F102")
def test_who_closes_an_account_is_sent_to_sign_in_only_where_money_is_left():
    rich, poor = house.player(balance_minor=5_000), house.player()
    for player, offered in ((rich, True), (poor, False)):
        user = User.objects.get(pk=player)
        user.set_password(PASSWORD)
        user.save()
        page = browser(player).post("/play-safely/close/", {"sure": "on"}).content.decode()
        assert ("Sign in to withdraw" in page) is offered
        answer = sign_in(Client(), user.email)
        assert (answer.status_code == 302) is offered
        if not offered:
            text = answer.content.decode()
            assert "there is no money left in it to withdraw" in text
            assert "Quote this code: closed_and_empty" in text


@pytest.mark.feature("F105")
def test_who_may_ask_to_come_back_reads_when_it_ended_and_then_from_when_they_play():
    player = house.player()
    now = database_now()
    Standing.objects.filter(pk=player).update(
        excluded_at=now - timedelta(days=200),
        excluded_until=now - timedelta(days=1),
        exclusion_holds=True,
    )
    client = browser(player)
    page = read(client, "/play-safely/")
    assert "The time you had chosen ended" in page
    assert "24 h have to pass after that" in page
    assert "It lasts until" not in page
    told = client.post("/play-safely/come-back/", {"reason": "I am well"}, follow=True)
    text = told.content.decode()
    back = now + timedelta(days=1)
    assert f"You can play again from {back.day} {back:%B %Y}, " in text
    assert "You asked to come back: you can play again from" in text
    assert "Ask to come back" not in text

"""Browsers in which nothing is done are signed out, after the time of the player's policy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client

from accounts import idle
from accounts.models import SessionUse
from accounts.roles import Role
from compliance.models import Standing
from tests import house
from tests.flows.staff_steps import enter, make_staff

BACKEND = "accounts.authentication.PasswordAtOwnDoor"


@pytest.fixture
def player(database) -> int:
    return int(house.player())


def browser_of(player: int) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(pk=player), BACKEND)
    return client


def leave_alone(client: Client, seconds: int) -> str:
    """Nothing happens in this browser for so long; its session's key."""
    session = client.session
    session["idle_seen_s"] -= seconds
    session.save()
    SessionUse.objects.filter(pk=session.session_key).update(
        seen_at=F("seen_at") - timedelta(seconds=seconds)
    )
    return str(session.session_key)


@pytest.mark.feature("F101")
def test_a_session_ends_after_the_policy_s_time_and_says_so(player):
    client = browser_of(player)
    assert client.get("/me/").status_code == 200
    assert SessionUse.objects.get().idle_s == 30 * 60
    leave_alone(client, 29 * 60)
    assert client.get("/me/").status_code == 200
    key = leave_alone(client, 30 * 60 + 1)
    answer = client.get("/me/", headers={"accept": "text/html"})
    assert answer.status_code == 302
    assert answer["Location"] == "/account/login/?next=%2Fme%2F&unused=1"
    assert "nothing was done here" in client.get(answer["Location"]).content.decode()
    assert not Session.objects.filter(pk=key).exists()
    assert SessionUse.objects.count() == 0


def test_a_script_is_told_that_it_is_signed_out_and_another_browser_stays(player):
    client, other = browser_of(player), browser_of(player)
    pit = house.pit()
    for one in (client, other):
        one.get("/me/")
    leave_alone(client, 31 * 60)
    assert client.get(f"/tables/{pit.table.id}/ticket").status_code == 403
    assert other.get("/me/").status_code == 200


def test_bets_over_a_socket_count_as_use_and_pages_that_ask_by_themselves_do_not(player):
    client = browser_of(player)
    client.get("/me/")
    key = leave_alone(client, 31 * 60)
    idle.note_use([key])
    assert client.get("/me/").status_code == 200
    leave_alone(client, 20 * 60)
    client.get("/me/", headers={"faro-automatic": "1"})
    leave_alone(client, 11 * 60)
    assert client.get("/me/").status_code == 302


def test_the_sweep_ends_what_no_request_comes_from_and_leaves_the_rest(player):
    client, other = browser_of(player), browser_of(player)
    for one in (client, other):
        one.get("/me/")
    key = leave_alone(client, 31 * 60)
    assert idle.end_unused() == 1
    assert idle.end_unused() == 0
    assert not Session.objects.filter(pk=key).exists()
    assert Session.objects.count() == 1
    assert other.get("/me/").status_code == 200


def test_staff_have_a_clock_of_their_own(database):
    assert enter(make_staff(Role.SUPPORT)).get("/support/").status_code == 200
    assert SessionUse.objects.count() == 0


def test_a_session_whose_key_changed_with_the_password_ends_unused_all_the_same(player):
    client = browser_of(player)
    client.get("/me/")
    session = client.session
    old = session.session_key
    session.cycle_key()  # as a change of the password does
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert client.get("/me/").status_code == 200
    key = leave_alone(client, 31 * 60)
    assert key != old
    idle.note_use([key])  # a bet over the socket
    assert client.get("/me/").status_code == 200
    leave_alone(client, 31 * 60)
    assert idle.end_unused() >= 1
    assert not Session.objects.filter(pk=key).exists()


def test_what_a_table_s_page_asks_by_itself_neither_begins_play_nor_keeps_it_going(player):
    client, pit = browser_of(player), house.pit()
    table, ticket = f"/tables/{pit.table.id}/", f"/tables/{pit.table.id}/ticket"
    for address in (table, ticket):
        assert client.get(address, headers={"faro-automatic": "1"}).status_code == 200
    assert Standing.objects.get(pk=player).play_since is None
    assert client.get(table).status_code == 200
    assert Standing.objects.get(pk=player).play_since is not None

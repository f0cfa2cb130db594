"""The player's own activity, and closing the account: exact sums, at once, money stays theirs."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client

from accounts.models import User
from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import closing, facts, gate, play_time
from compliance.limit_arithmetic import Period, PeriodKind, window
from compliance.models import PlaySession, Standing
from compliance.play_safely import activity
from compliance.standing import read_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from tests import house

PASSWORD = "correct horse battery staple"


def browser_of(player_id: PlayerId) -> Client:
    client = Client()
    client.force_login(
        get_user_model().objects.get(pk=player_id), "accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def signed_in(player_id: PlayerId) -> Client:
    """A browser after the form of sign-in, whatever that answered."""
    browser, email = Client(), User.objects.get(pk=player_id).email
    browser.post("/account/login/", {"login": email, "password": PASSWORD})
    return browser


def told(player_id: PlayerId, kind: facts.FactKind, minor: int, at) -> None:
    with transaction.atomic():
        facts.record([facts.Fact(player_id, kind, Money(minor, "EUR"), at)])


def asked(player_id: PlayerId, purpose: gate.Purpose) -> gate.Decision:
    with transaction.atomic():
        [answer] = gate.decide(
            [gate.GateRequest(new_id(), player_id, purpose, Money(100, "EUR"), ())],
            now=database_now(),
        )
    return answer


def played(player_id: PlayerId, begin, minutes: int) -> None:
    """A session of play that is over."""
    over = begin + timedelta(minutes=minutes)
    PlaySession.objects.bulk_create(
        [PlaySession(id=new_id(), player_id=player_id, started_at=begin, ended_at=over)]
    )


@pytest.mark.feature("F96")
def test_days_add_up_whether_facts_are_folded_or_fresh(database):
    player, now = house.player(), database_now()
    told(player, facts.FactKind.DEPOSITED, 5_000, now - timedelta(days=40))
    told(player, facts.FactKind.STAKED, 2_000, now - timedelta(days=3))
    told(player, facts.FactKind.PAID_OUT, 500, now - timedelta(days=3))
    facts.fold()
    told(player, facts.FactKind.DEPOSITED, 1_000, now)
    told(player, facts.FactKind.WITHDRAWN, 700, now)
    told(player, facts.FactKind.STAKED, 300, now)
    told(player, facts.FactKind.STAKE_RETURNED, 100, now)
    standing = read_standing(player)
    week = activity.activity(standing, 7, now)
    assert len(week.days) == 7
    assert (week.deposited_minor, week.net_minor) == (1_000, -1_700)
    assert [day.net_minor for day in week.days] == [0, 0, 0, -1_500, 0, 0, -200]
    assert activity.activity(standing, 90, now).deposited_minor == 6_000
    lifetime = (week.lifetime_deposited_minor, week.lifetime_withdrawn_minor)
    assert (lifetime, week.lifetime_net_minor) == ((6_000, 700), 5_300)


@pytest.mark.feature("F96")
def test_time_played_is_what_limits_of_time_count_cut_at_the_players_own_midnights(database):
    player, other, now = house.player(), house.player(), database_now()
    malta = ZoneInfo("Europe/Malta")
    today = now.astimezone(malta).date()
    midnight = datetime.combine(today - timedelta(days=2), time(0), malta)
    played(player, midnight - timedelta(minutes=20), 50)  # 20 before midnight, 30 after
    played(player, midnight + timedelta(hours=12), 24)
    played(other, midnight + timedelta(hours=12), 5)
    begin = now - timedelta(minutes=7)
    Standing.objects.filter(pk=player).update(
        play_since=begin, play_seen_at=now, check_due_at=begin + timedelta(hours=1)
    )
    standing = read_standing(player)
    found = activity.activity(standing, 7, now)
    by_day = {day.on: day.played_s for day in found.days}
    assert by_day[today - timedelta(days=3)] == 20 * 60
    assert by_day[today - timedelta(days=2)] == 54 * 60
    assert found.played_s == (20 + 54 + 7) * 60
    whole = window(Period.WEEK, now, "Europe/Malta", PeriodKind.ROLLING)
    assert play_time.seconds_played([(standing, whole)], now) == [found.played_s]


@pytest.mark.feature("F96")
def test_a_fact_of_the_last_hour_before_midnight_in_utc_counts_on_the_players_own_day(database):
    player, now = house.player(), database_now()
    late = datetime.combine(now.date() - timedelta(days=2), time(23, 30), UTC)  # 00:30 in Malta
    told(player, facts.FactKind.DEPOSITED, 900, late)
    for _ in range(2):  # fresh, and folded
        found = activity.activity(read_standing(player), 7, now)
        by_day = {day.on: day.deposited_minor for day in found.days}
        assert by_day[late.astimezone(ZoneInfo("Europe/Malta")).date()] == 900
        assert found.deposited_minor == 900
        facts.fold()


@pytest.mark.feature("F96")
def test_the_page_shows_charts_tables_help_and_asks_for_a_span(database):
    player = house.player(balance_minor=12_345)
    text = browser_of(player).get("/play-safely/?days=7").content.decode()
    assert "€123.45 net deposits" in text
    assert text.count('<svg class="chart"') == 1  # nothing to draw where nothing happened
    assert "Nothing in the last 7 days." in text
    assert "1777" in text
    assert "rgf.org.mt" in text
    assert 'href="?days=7#activity" aria-current="true"' in text
    odd = browser_of(player).get("/play-safely/?days=%3Cscript%3E").content.decode()
    assert 'href="?days=30#activity" aria-current="true"' in odd


@pytest.mark.feature("F96")
@pytest.mark.parametrize("address", ["/", "/cashier/"])
def test_the_way_to_the_page_stands_on_home_lobby_and_cashier(database, address):
    player = house.player()
    assert 'href="/play-safely/"' in browser_of(player).get(address).content.decode()
    if address == "/":
        assert 'href="/play-safely/"' in Client().get(address).content.decode()


@pytest.mark.feature("F97")
def test_an_account_closes_at_once_and_its_money_can_be_taken_out(database):
    player = house.player(balance_minor=5_000)
    browser = signed_in(player)
    answer = browser.post("/play-safely/close/", {"sure": "on"})
    assert (answer.status_code, "Your account is closed" in answer.content.decode()) == (200, True)
    assert Standing.objects.get(pk=player).status == "closed"
    assert browser.get("/play-safely/").status_code == 302  # signed out
    refused = [asked(player, one).code for one in (gate.Purpose.BET, gate.Purpose.DEPOSIT)]
    assert refused == [gate.GateCode.CLOSED, gate.GateCode.CLOSED]
    assert asked(player, gate.Purpose.MARKETING).code is gate.GateCode.CLOSED
    assert asked(player, gate.Purpose.WITHDRAWAL).code is not gate.GateCode.CLOSED
    assert house.balance(player) == 5_000
    [event] = AuditEvent.objects.filter(kind="player.closed")
    assert event.after["status"] == "closed"


@pytest.mark.feature("F95")
@pytest.mark.parametrize(
    ("act", "fields", "words"),
    [
        ("break", {"hours": "24"}, "Your break has begun"),
        ("exclude", {"days": "190", "sure": "on"}, "You are excluded from now on"),
    ],
)
def test_who_stops_after_a_real_sign_in_reads_that_it_holds(database, act, fields, words):
    browser = signed_in(house.player())
    answer = browser.post(f"/play-safely/{act}/", fields)
    assert (answer.status_code, words in answer.content.decode()) == (200, True)
    assert browser.get("/play-safely/").status_code == 302  # signed out


@pytest.mark.feature("F97")
def test_who_closed_signs_in_while_money_is_left_and_not_after(database):
    rich, empty = house.player(balance_minor=5_000), house.player()
    for player in (rich, empty):
        closing.close_account(player, actor=Actor.player(player), reason="asked by the player")
    found = ["_auth_user_id" in signed_in(player).session for player in (rich, empty)]
    assert found == [True, False]


@pytest.mark.feature("F97", "F105")
def test_who_closed_while_excluded_signs_in_to_ask_to_return_and_not_after(database):
    player = house.player()
    closing.close_account(player, actor=Actor.player(player), reason="asked by the player")
    over = database_now() - timedelta(days=1)
    Standing.objects.filter(pk=player).update(
        excluded_at=over - timedelta(days=200), excluded_until=over, exclusion_holds=True
    )
    browser = signed_in(player)
    assert "_auth_user_id" in browser.session
    browser.post("/play-safely/come-back/", {"reason": "I am well"})
    standing = Standing.objects.get(pk=player)
    assert (standing.status, standing.exclusion_holds) == ("closed", False)
    assert "_auth_user_id" not in signed_in(player).session


@pytest.mark.feature("F97")
def test_nothing_closes_by_an_unticked_form_twice_or_while_suspended(database):
    player = house.player()
    browser_of(player).post("/play-safely/close/", {})
    assert Standing.objects.get(pk=player).status == "active"
    Standing.objects.filter(pk=player).update(status="suspended")
    with pytest.raises(Refused) as refused:
        closing.close_account(player, actor=Actor.player(player), reason="x")
    assert refused.value.code is closing.ClosingCode.SUSPENDED
    Standing.objects.filter(pk=player).update(status="active")
    closing.close_account(player, actor=Actor.player(player), reason="x")
    with pytest.raises(Refused) as refused:
        closing.close_account(player, actor=Actor.player(player), reason="x")
    assert refused.value.code is closing.ClosingCode.ALREADY_CLOSED

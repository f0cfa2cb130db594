"""Sessions of play, checks of reality, limits of time and the cap, on a clock, at the gate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.database_clock import database_now
from compliance import gate, play_time
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import GateDecision, PlaySession, Standing
from compliance.play_time import PlayCode, Shown
from kernel.ids import Actor, new_id
from kernel.money import Money
from kernel.refusal import Refused
from tests.flows.limit_steps import ask, code, limit, player_in
from tests.flows.test_compliance_profiles import MONDAY, no_limits_wanted

SHOWN = Shown(3_600, 500, 200, -300, "EUR")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.feature("F100")
def test_a_check_that_is_due_stands_before_every_bet_until_it_was_looked_at(database):
    player = player_in("DEMO")
    begin = database_now() - minutes(61)
    assert code(player, begin) is None
    for later in (20, 40, 59):
        assert code(player, begin + minutes(later)) is None
    answer = ask(player, begin + minutes(60))
    assert answer.code is GateCode.REALITY_CHECK
    assert answer.data["due_at"] == (begin + minutes(60)).isoformat()
    # asked again, on another device, after a reload: the same answer; money may leave, and come
    assert code(player, begin + minutes(60.5)) is GateCode.REALITY_CHECK
    assert code(player, begin + minutes(60.5), purpose=Purpose.DEPOSIT) is None
    assert code(player, begin + minutes(60.5), purpose=Purpose.WITHDRAWAL) is None
    looked = play_time.look_at_check(
        player, due_at=begin + minutes(60), shown=SHOWN, actor=Actor.player(player)
    )
    assert looked is not None
    assert (looked.since, looked.is_check_due) == (begin, False)
    assert looked.check_due_at >= database_now() + minutes(59)
    assert code(player, database_now()) is None


@pytest.mark.feature("F100")
def test_looking_at_the_same_check_twice_does_not_put_the_next_one_off(database):
    player = player_in("DEMO")
    begin = database_now() - minutes(61)
    for later in (0, 29, 55):
        assert code(player, begin + minutes(later)) is None
    due_at = begin + minutes(60)

    def look():
        return play_time.look_at_check(
            player, due_at=due_at, shown=SHOWN, actor=Actor.player(player)
        )

    assert look() == look()
    with connection.cursor() as cursor:
        cursor.execute("SELECT after FROM audit_event WHERE kind = 'play.check_looked_at'")
        [(after,)] = cursor.fetchall()
    assert '"net_minor": -300' in str(after).replace("'", '"')


@pytest.mark.feature("F100")
def test_a_player_sets_the_interval_within_what_the_policy_allows(database):
    player = player_in("NL")  # every half an hour at the latest
    me = Actor.player(player)
    for every, refusal in (
        (minutes(31), PlayCode.CHECK_TOO_RARE),
        (minutes(4), PlayCode.CHECK_TOO_OFTEN),
    ):
        with pytest.raises(Refused) as refused:
            play_time.choose_interval(player, every=every, actor=me)
        assert refused.value.code is refusal
    assert Standing.objects.get(pk=player).check_every_s is None
    no_limits_wanted(player, MONDAY)
    assert code(player, MONDAY) is None
    assert code(player, MONDAY + minutes(29)) is None
    assert code(player, MONDAY + minutes(30)) is GateCode.REALITY_CHECK
    play_time.choose_interval(player, every=minutes(10), actor=me)
    tuesday = MONDAY + timedelta(days=1)
    assert code(player, tuesday) is None
    assert code(player, tuesday + minutes(10)) is GateCode.REALITY_CHECK


@pytest.mark.feature("F101")
def test_a_session_is_the_player_s_and_ends_by_a_pause_not_by_signing_out(database):
    player = player_in("DEMO")
    assert code(player, MONDAY) is None
    assert code(player, MONDAY + minutes(29)) is None
    assert code(player, MONDAY + minutes(58)) is None
    standing = Standing.objects.get(pk=player)
    assert (standing.play_since, standing.play_seen_at) == (MONDAY, MONDAY + minutes(58))
    assert PlaySession.objects.count() == 0
    assert code(player, MONDAY + minutes(88)) is None
    [ended] = PlaySession.objects.all()
    assert (ended.player_id, ended.started_at, ended.ended_at) == (
        player,
        MONDAY,
        MONDAY + minutes(58),
    )
    assert Standing.objects.get(pk=player).play_since == MONDAY + minutes(88)


@pytest.mark.feature("F99")
def test_bets_are_refused_once_the_time_of_the_day_is_used_up_and_not_the_next_day(database):
    player = player_in("DEMO")
    limit(player, LimitKind.SESSION_TIME, 1_800, Period.DAY, MONDAY)
    assert code(player, MONDAY) is None
    assert code(player, MONDAY + minutes(20)) is None
    # a pause ends the session after its twenty minutes; ten are left
    later = MONDAY + minutes(120)
    assert code(player, later) is None
    assert code(player, later + minutes(9)) is None
    answer = ask(player, later + minutes(10))
    assert answer.code is GateCode.TIME_LIMIT
    assert (answer.data["limit_s"], answer.data["used_s"]) == (1_800, 1_800)
    assert code(player, later + minutes(11), purpose=Purpose.DEPOSIT) is None
    assert code(player, MONDAY + timedelta(days=1)) is None


@pytest.mark.feature("F99")
def test_a_session_has_a_longest_where_the_policy_says_so_and_then_a_pause(database, monkeypatch):
    """Germany's hour and five minutes, under a profile that offers live tables."""
    from dataclasses import replace

    from compliance import standing
    from compliance.jurisdictions import profile

    capped = replace(
        profile("DEMO", MONDAY.date()), session_longest=minutes(60), session_pause=minutes(5)
    )
    monkeypatch.setattr(standing, "profile", lambda _code, _on: capped)
    player = player_in("DEMO")
    for played in range(0, 60, 4):
        assert code(player, MONDAY + minutes(played)) is None
    answer = ask(player, MONDAY + minutes(60))
    assert answer.code is GateCode.SESSION_OVER
    assert (
        answer.data["until"] == (MONDAY + minutes(62)).isoformat()
    )  # five after the last note, and its minute
    assert code(player, MONDAY + minutes(62)) is None


def test_a_paused_session_is_noted_down_by_the_sweep(database):
    player = player_in("DEMO")
    now = database_now()
    assert code(player, now - minutes(45)) is None
    assert play_time.end_paused_sessions() == 1
    assert play_time.end_paused_sessions() == 0
    assert Standing.objects.get(pk=player).play_since is None
    [ended] = PlaySession.objects.all()
    assert ended.started_at == ended.ended_at == now - minutes(45)


def test_the_database_keeps_ended_sessions_as_they_were(database, owner):
    player = player_in("DEMO")
    assert code(player, database_now() - minutes(45)) is None
    play_time.end_paused_sessions()
    for statement in (
        "UPDATE compliance_playsession SET ended_at = now()",
        "DELETE FROM compliance_playsession",
    ):
        with pytest.raises(Exception, match="append_only"):
            owner.execute(statement)


def test_a_thousand_bets_take_as_many_statements_as_one_whatever_is_set(database):
    """Limits of every kind, sessions that begin, that go on and that were over."""
    people = [player_in("DEMO") for _ in range(12)]
    now = database_now()
    for player in people:
        limit(player, LimitKind.LOSS, 100_000, Period.DAY, now)
        limit(player, LimitKind.WAGER, 100_000, Period.MONTH, now)
        limit(player, LimitKind.SESSION_TIME, 80_000, Period.WEEK, now)

    def statements(some: list, at: datetime) -> int:
        asked = [
            gate.GateRequest(new_id(), player, Purpose.BET, Money(100, "EUR"), ("table:a",))
            for player in some
        ]
        with CaptureQueriesContext(connection) as caught, transaction.atomic():
            answers = gate.decide(asked, now=at)
        assert all(answer.allowed for answer in answers)
        return len(caught)

    first = statements(people[:1], now), statements(people[1:], now)
    again = statements(people[:1], now), statements(people[1:], now)
    over = now + timedelta(hours=2)
    ended = statements(people[:1], over), statements(people[1:], over)
    assert [one == many for one, many in (first, again, ended)] == [True] * 3
    assert again[0] <= 10  # one of them is BEGIN, and one reads what registers and places say
    assert GateDecision.objects.filter(allowed=True).count() == 36


def test_the_moment_of_a_check_is_exact_to_the_microsecond(database):
    player = player_in("DEMO")
    begin = datetime(2026, 11, 23, 12, 0, 0, 123_457, tzinfo=UTC)
    for later in (0, 29, 58):
        assert code(player, begin + minutes(later)) is None
    assert code(player, begin + minutes(60) - timedelta(microseconds=1)) is None
    assert code(player, begin + minutes(60)) is GateCode.REALITY_CHECK

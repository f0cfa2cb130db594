"""Sessions of play and checks of reality: when they go on, are due, are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.play_rules import (
    Play,
    PlayPolicy,
    acknowledged,
    check_every,
    goes_on,
    is_check_due,
    joined,
    over_until,
    rescheduled,
    seconds_in,
)
from kernel.invariant import InvariantBroken

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


POLICY = PlayPolicy(minutes(30), None, minutes(60), minutes(60))
GERMAN = PlayPolicy(minutes(5), minutes(60), minutes(60), minutes(60))
PLAY = Play(NOW, NOW, NOW + minutes(60))


@pytest.mark.feature("F100")
@pytest.mark.parametrize(
    ("after", "since_begin", "due"),
    [(0, True, False), (29, True, False), (30, False, False), (60, False, False)],
)
def test_a_session_goes_on_until_a_pause_and_no_check_is_due_after_it(after, since_begin, due):
    now = NOW + minutes(after)
    assert goes_on(PLAY, now, POLICY) is since_begin
    assert (joined(PLAY, now, None, POLICY).since == NOW) is since_begin
    assert is_check_due(PLAY, now, POLICY) is due


@pytest.mark.feature("F100")
def test_a_check_falls_due_on_the_minute_and_the_next_comes_after_it_was_looked_at():
    playing = Play(NOW, NOW + minutes(55), NOW + minutes(60))
    assert not is_check_due(playing, NOW + minutes(60) - timedelta(microseconds=1), POLICY)
    assert is_check_due(playing, NOW + minutes(60), POLICY)
    looked = acknowledged(playing, NOW + minutes(70), 1_200, POLICY)
    assert (looked.since, looked.check_due_at) == (NOW, NOW + minutes(90))
    with pytest.raises(InvariantBroken):
        acknowledged(playing, NOW + minutes(59), None, POLICY)


@pytest.mark.feature("F100")
def test_asking_for_rarer_checks_puts_none_off_and_more_often_brings_it_nearer():
    assert rescheduled(PLAY, NOW + minutes(10), 3_600, POLICY).check_due_at == NOW + minutes(60)
    assert rescheduled(PLAY, NOW + minutes(10), 600, POLICY).check_due_at == NOW + minutes(20)


@pytest.mark.feature("F100")
@given(st.none() | st.integers(1, 10**6))
def test_no_player_gets_checks_more_rarely_than_the_policy_says(wanted):
    assert check_every(wanted, POLICY) <= POLICY.check_longest


@pytest.mark.feature("F99")
def test_a_session_that_has_lasted_its_longest_needs_a_pause_from_the_last_act():
    playing = Play(NOW, NOW + minutes(58), NOW + minutes(60))
    assert over_until(playing, NOW + minutes(59), GERMAN) is None
    # the last act came up to a minute after the one that was noted: never less than five minutes
    assert over_until(playing, NOW + minutes(60), GERMAN) == NOW + minutes(64)
    assert over_until(playing, NOW + minutes(63), GERMAN) == NOW + minutes(64)
    assert joined(playing, NOW + minutes(63), None, GERMAN).since == NOW
    assert over_until(playing, NOW + minutes(64), GERMAN) is None
    assert joined(playing, NOW + minutes(64), None, GERMAN).since == NOW + minutes(64)
    assert over_until(playing, NOW + minutes(500), POLICY) is None


@pytest.mark.feature("F99")
def test_looking_at_a_check_does_not_put_the_end_of_a_compulsory_pause_off():
    playing = Play(NOW, NOW + minutes(59), NOW + minutes(60))
    looked = acknowledged(playing, NOW + minutes(62), None, GERMAN)
    assert looked.seen_at == NOW + minutes(59)
    assert over_until(looked, NOW + minutes(62), GERMAN) == NOW + minutes(65)
    sooner = Play(NOW, NOW + minutes(20), NOW + minutes(20))
    assert acknowledged(sooner, NOW + minutes(22), None, GERMAN).seen_at == NOW + minutes(22)


@pytest.mark.feature("F99")
def test_time_in_a_window_is_what_lies_in_it_rounded_up_to_the_second():
    sessions = [
        (NOW - minutes(90), NOW - minutes(50)),
        (NOW - minutes(10), NOW - minutes(5) + timedelta(microseconds=1)),
        (NOW + minutes(30), NOW + minutes(40)),
    ]
    assert seconds_in(sessions, NOW - minutes(60), NOW) == 600 + 300 + 1
    assert seconds_in([], NOW, NOW + minutes(1)) == 0

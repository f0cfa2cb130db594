"""Limits as arithmetic: windows with daylight saving, changes that wait, the lowest of several."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.limit_arithmetic import (
    ChangePolicy,
    Limit,
    LimitKind,
    LimitState,
    Period,
    Room,
    Used,
    age_on,
    cancelled,
    changed,
    confirmed,
    first_day,
    gaming_day,
    in_force,
    is_decrease,
    of_age_on,
    tightest,
    window,
)
from kernel.invariant import InvariantBroken

ZONES = ("Europe/Malta", "Europe/London", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia")
CUT = [Period.DAY, Period.WEEK, Period.MONTH]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY_LATER = ChangePolicy(timedelta(hours=24), False, False)
ASKED_TWICE = ChangePolicy(timedelta(hours=24), False, True)
AFTER_PERIOD = ChangePolicy(timedelta(hours=72), True, False)

instants = st.integers(946_684_800, 1_893_456_000).map(lambda at: datetime.fromtimestamp(at, UTC))
amounts = st.integers(1, 10**12)
maybe_amounts = st.none() | amounts
policies = st.sampled_from([DAY_LATER, ASKED_TWICE, AFTER_PERIOD])


@pytest.mark.parametrize(
    ("period", "at", "zone", "starts_at", "hours"),
    [
        (Period.DAY, "2026-11-23T12:00", "Europe/Malta", "2026-11-22T23:00", 24),
        (Period.DAY, "2026-03-29T12:00", "Europe/Malta", "2026-03-28T23:00", 23),
        (Period.DAY, "2026-10-25T12:00", "Europe/Malta", "2026-10-24T22:00", 25),
        (Period.WEEK, "2026-10-25T12:00", "Europe/London", "2026-10-18T23:00", 7 * 24 + 1),
        (Period.MONTH, "2026-02-10T12:00", "Europe/London", "2026-02-01T00:00", 28 * 24),
        (Period.MONTH, "2028-02-10T12:00", "Europe/London", "2028-02-01T00:00", 29 * 24),
        (Period.DAY, "2026-11-23T23:30", "Europe/Malta", "2026-11-23T23:00", 24),
    ],
)
def test_windows_are_cut_at_local_midnight(period, at, zone, starts_at, hours):
    found = window(period, datetime.fromisoformat(at).replace(tzinfo=UTC), zone)
    assert found.starts_at == datetime.fromisoformat(starts_at).replace(tzinfo=UTC)
    assert found.ends_at - found.starts_at == timedelta(hours=hours)


@given(instants, st.sampled_from(ZONES), st.sampled_from(CUT))
def test_every_instant_lies_in_its_window_and_windows_meet(at, zone, period):
    found = window(period, at, zone)
    assert found.starts_at <= at < found.ends_at
    assert gaming_day(found.starts_at, zone) >= found.first_day
    assert gaming_day(found.starts_at - timedelta(microseconds=1), zone) < found.first_day
    assert window(period, found.ends_at, zone).starts_at == found.ends_at
    assert first_day(period, gaming_day(at, zone)) == found.first_day


@pytest.mark.feature("F97")
@given(maybe_amounts, maybe_amounts, policies, instants)
def test_a_decrease_counts_at_once_and_an_increase_never_before_its_delay(
    present, wanted, policy, now
):
    ends = now + timedelta(hours=100)
    after = changed(LimitState(present), wanted, now, policy, ends)
    if is_decrease(present, wanted):
        assert after == LimitState(wanted)
        return
    waits_until = now + policy.increase_delay
    if policy.not_before_period_ends:
        waits_until = max(waits_until, ends)
    assert after.pending_at == waits_until
    just_before = waits_until - timedelta(microseconds=1)
    assert in_force(after, just_before) == present
    expected = present if policy.needs_confirmation else wanted
    assert in_force(after, waits_until) == expected
    assert in_force(confirmed(after, just_before), waits_until) == expected
    assert in_force(confirmed(after, waits_until), waits_until) == wanted
    assert in_force(cancelled(after, just_before), waits_until + timedelta(days=99)) == present


@pytest.mark.feature("F97")
@given(st.lists(st.tuples(maybe_amounts, st.integers(0, 23)), max_size=12), policies)
def test_no_sequence_of_requests_raises_a_limit_within_the_delay(requests, policy):
    """All requests within one day: what holds at the end is the lowest ever asked, never more."""
    state, now, lowest = LimitState(5_000), NOW, 5_000
    for wanted, _minutes in requests:
        state = changed(state, wanted, now, policy, NOW + timedelta(days=3))
        state = confirmed(state, now)
        lowest = lowest if wanted is None else min(lowest, wanted)
        now += timedelta(minutes=30)
        assert in_force(state, now) == lowest


def test_an_increase_near_the_end_of_a_period_waits_for_the_longer_of_delay_and_period():
    asked = NOW
    after = changed(LimitState(100), 200, asked, AFTER_PERIOD, asked + timedelta(hours=24))
    assert after.pending_at == asked + timedelta(hours=72)
    after = changed(LimitState(100), 200, asked, AFTER_PERIOD, asked + timedelta(hours=96))
    assert after.pending_at == asked + timedelta(hours=96)


def test_a_limit_of_zero_or_less_is_a_bug_here_and_refused_at_the_edge():
    for wanted in (0, -1):
        with pytest.raises(InvariantBroken):
            changed(LimitState(), wanted, NOW, DAY_LATER, NOW)


@pytest.mark.feature("F98")
@given(st.lists(st.tuples(amounts, st.integers(-(10**12), 10**12)), min_size=1, max_size=6))
def test_of_several_limits_the_lowest_applies(limits):
    rooms = [Room(Limit(LimitKind.LOSS, Period.DAY, amount), used) for amount, used in limits]
    found = tightest(rooms)
    assert found is not None
    assert found.left_minor == min(max(0, amount - used) for amount, used in limits)
    assert all(found.left_minor <= room.left_minor for room in rooms)
    assert tightest([]) is None


@pytest.mark.feature("F95")
@given(amounts, amounts, amounts, amounts)
def test_winnings_and_refunds_never_add_to_a_gross_deposit_limit(
    deposited, in_flight, paid_out, staked
):
    used = Used(deposited, in_flight, staked, 0, paid_out)
    assert used.towards(LimitKind.DEPOSIT) == deposited + in_flight
    assert used.towards(LimitKind.LOSS) == staked - paid_out


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        ("2008-11-23", "2026-11-22", 17),
        ("2008-11-23", "2026-11-23", 18),
        ("2008-02-29", "2026-02-28", 17),
        ("2008-02-29", "2026-03-01", 18),
        ("2008-02-29", "2028-02-29", 20),
    ],
)
@pytest.mark.feature("F108")
def test_age_is_counted_in_whole_local_years(born, day, age):
    assert age_on(date.fromisoformat(born), date.fromisoformat(day)) == age


@given(st.dates(date(1920, 1, 1), date(2020, 12, 31)), st.sampled_from([18, 19, 21]))
def test_of_age_on_is_the_first_day_on_which_the_age_is_reached(born, minimum):
    first = of_age_on(born, minimum)
    assert age_on(born, first) == minimum
    assert age_on(born, first - timedelta(days=1)) == minimum - 1


def test_zones_are_really_there():
    assert all(ZoneInfo(zone) for zone in ZONES)

"""Each jurisdiction's limits on a clock: where windows are cut, how long a higher limit waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compliance import facts, limits
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Standing
from kernel.ids import Actor
from kernel.money import Money
from kernel.refusal import Refused
from tests.flows.limit_steps import code, limit, player_in, tell

STAKED, DEPOSITED = facts.FactKind.STAKED, facts.FactKind.DEPOSITED
#: Monday, noon UTC, in winter everywhere.
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def no_limits_wanted(player, now: datetime) -> None:
    """What the law wants to be set before play, set so high that it decides nothing."""
    standing = Standing.objects.get(pk=player)
    from compliance.jurisdictions import profile

    policy = profile(standing.jurisdiction, now.date())
    for kind in policy.limits_required:
        for period in (Period.ALWAYS,) if kind is LimitKind.BALANCE else policy.limit_periods:
            most = 80_000 if kind is LimitKind.SESSION_TIME else 90_000
            limit(player, kind, most, period, now)


@pytest.mark.feature("F95")
@pytest.mark.feature("F119")
@pytest.mark.parametrize(
    ("place", "last_instant", "first_instant"),
    [
        # a day in winter, in each zone
        ("GB", "2026-11-23T23:59:59", "2026-11-24T00:00:00"),
        ("MT", "2026-11-23T22:59:59", "2026-11-23T23:00:00"),
        ("SE", "2026-11-23T22:59:59", "2026-11-23T23:00:00"),
        ("NL", "2026-11-23T22:59:59", "2026-11-23T23:00:00"),
        ("CA-ON", "2026-11-24T04:59:59", "2026-11-24T05:00:00"),
        ("US-NJ", "2026-11-24T04:59:59", "2026-11-24T05:00:00"),
        # the days on which clocks go forward and back
        ("GB", "2027-03-28T22:59:59", "2027-03-28T23:00:00"),
        ("GB", "2026-10-25T23:59:59", "2026-10-26T00:00:00"),
        ("MT", "2027-03-28T21:59:59", "2027-03-28T22:00:00"),
        ("SE", "2026-10-25T22:59:59", "2026-10-25T23:00:00"),
        ("NL", "2027-03-28T21:59:59", "2027-03-28T22:00:00"),
        ("CA-ON", "2027-03-15T03:59:59", "2027-03-15T04:00:00"),
        ("US-NJ", "2026-11-02T04:59:59", "2026-11-02T05:00:00"),
    ],
)
def test_a_day_ends_at_local_midnight_also_when_clocks_change(
    database, place, last_instant, first_instant
):
    """The whole day's limit is used in its first instant, and is there again in the next day's."""
    player, end, begin = player_in(place), at(last_instant), at(first_instant)
    morning = begin - timedelta(hours=20)
    no_limits_wanted(player, morning)
    limit(player, LimitKind.LOSS, 1_000, Period.DAY, morning)
    tell(player, STAKED, 1_000, morning)
    assert code(player, end, 1) is GateCode.LOSS_LIMIT
    assert code(player, begin, 1_000) is None
    facts.fold()
    assert code(player, end, 1) is GateCode.LOSS_LIMIT
    assert code(player, begin, 1_000) is None


@pytest.mark.feature("F119")
def test_germany_s_month_is_the_calendar_s_and_its_cap_holds_without_a_limit_of_one_s_own(database):
    """Live tables are not offered there, so the limit itself is asked, as the gate would."""
    from compliance import rooms
    from compliance.standing import read_standing

    player = player_in("DE")
    tell(player, DEPOSITED, 99_000, at("2026-10-31T22:00:00"))  # 23:00 on the 31st
    standing = read_standing(player)
    [room] = rooms.for_deposits([standing], [], at("2026-10-31T22:30:00"))[player]
    assert (room.limit.amount_minor, room.left_minor) == (100_000, 1_000)
    [room] = rooms.for_deposits([standing], [], at("2026-10-31T23:00:00"))[player]
    assert room.left_minor == 100_000
    with pytest.raises(Refused) as refused:
        limit(player, LimitKind.DEPOSIT, 100_001, Period.MONTH, MONDAY)
    assert refused.value.code is limits.LimitCode.ABOVE_POLICY


@pytest.mark.feature("F119")
def test_denmark_counts_from_when_the_limit_was_set_and_a_lower_one_begins_no_new_window(database):
    player = player_in("DK")
    set_at = at("2026-11-23T18:20:00")
    no_limits_wanted(player, MONDAY - timedelta(days=3))
    limit(player, LimitKind.LOSS, 1_000, Period.DAY, set_at)  # counted from 18:15
    tell(player, STAKED, 900, at("2026-11-24T18:10:00"))
    facts.fold()
    assert code(player, at("2026-11-24T18:14:59"), 101) is GateCode.LOSS_LIMIT
    limit(player, LimitKind.LOSS, 950, Period.DAY, at("2026-11-24T18:14:59"))
    assert code(player, at("2026-11-24T18:14:59"), 51) is GateCode.LOSS_LIMIT
    assert code(player, at("2026-11-24T18:15:00"), 950) is None


@pytest.mark.feature("F97")
@pytest.mark.feature("F119")
@pytest.mark.parametrize(
    ("place", "kind", "waits", "confirmed"),
    [
        ("GB", LimitKind.DEPOSIT, timedelta(hours=24), True),
        ("MT", LimitKind.DEPOSIT, timedelta(hours=24), False),
        ("SE", LimitKind.DEPOSIT, timedelta(hours=72), False),
        ("NL", LimitKind.DEPOSIT, timedelta(days=7), False),
        ("CA-ON", LimitKind.DEPOSIT, timedelta(hours=24), False),
        ("DK", LimitKind.DEPOSIT, timedelta(hours=24), False),
        # to the end of the running day
        ("US-NJ", LimitKind.DEPOSIT, at("2026-11-24T05:00:00") - MONDAY, False),
    ],
)
def test_a_higher_limit_waits_as_the_law_says_and_a_lower_one_holds_at_once(
    database, place, kind, waits, confirmed
):
    player = player_in(place)
    no_limits_wanted(player, MONDAY - timedelta(days=1))
    limit(player, kind, 5_000, Period.DAY, MONDAY - timedelta(days=1))
    limit(player, kind, 1_000, Period.DAY, MONDAY)
    assert code(player, MONDAY, 1_001, Purpose.DEPOSIT) is GateCode.DEPOSIT_LIMIT
    change = limit(player, kind, 2_000, Period.DAY, MONDAY)
    assert change.state.pending_at == MONDAY + waits
    just_before = MONDAY + waits - timedelta(seconds=1)
    assert code(player, just_before, 1_001, Purpose.DEPOSIT) is GateCode.DEPOSIT_LIMIT
    then = MONDAY + waits
    if confirmed:
        assert code(player, then, 2_000, Purpose.DEPOSIT) is GateCode.DEPOSIT_LIMIT
        limits.confirm_increase(
            player, kind=kind, period=Period.DAY, actor=Actor.player(player), now=then
        )
    assert code(player, then, 2_000, Purpose.DEPOSIT) is None
    assert code(player, then, 2_001, Purpose.DEPOSIT) is GateCode.DEPOSIT_LIMIT


@pytest.mark.feature("F97")
@pytest.mark.feature("F119")
def test_in_sweden_a_higher_week_s_limit_also_waits_for_the_week_s_end(database):
    player = player_in("SE")
    no_limits_wanted(player, MONDAY - timedelta(days=1))
    limit(player, LimitKind.DEPOSIT, 1_000, Period.WEEK, MONDAY)
    change = limit(player, LimitKind.DEPOSIT, 2_000, Period.WEEK, MONDAY)
    assert change.state.pending_at == at("2026-11-29T23:00:00")
    saturday = MONDAY + timedelta(days=5)
    change = limit(player, LimitKind.DEPOSIT, 2_000, Period.WEEK, saturday)
    assert change.state.pending_at == saturday + timedelta(hours=72)


@pytest.mark.feature("F96")
@pytest.mark.feature("F119")
@pytest.mark.parametrize("place", ["SE", "NL", "DK"])
def test_where_the_law_wants_limits_first_nobody_plays_or_pays_in_without_them(database, place):
    player = player_in(place)
    for purpose in (Purpose.BET, Purpose.DEPOSIT):
        assert code(player, MONDAY, purpose=purpose) is GateCode.LIMITS_MISSING
    no_limits_wanted(player, MONDAY)
    for purpose in (Purpose.BET, Purpose.DEPOSIT):
        assert code(player, MONDAY, purpose=purpose) is None
    # asking for no limit at all takes the time of an increase, and then play stops again
    change = limit(player, LimitKind.DEPOSIT, None, Period.DAY, MONDAY)
    assert change.state.pending_at is not None
    assert code(player, change.state.pending_at - timedelta(seconds=1)) is None
    assert code(player, change.state.pending_at) is GateCode.LIMITS_MISSING


@pytest.mark.feature("F96")
@pytest.mark.parametrize("place", ["GB", "MT", "CA-ON", "US-NJ"])
def test_elsewhere_limits_are_asked_about_and_not_wanted(database, place):
    player = player_in(place)
    assert limits.must_answer(player, MONDAY)
    assert code(player, MONDAY) is None
    limits.answer(player, actor=Actor.player(player), now=MONDAY)
    assert not limits.must_answer(player, MONDAY + timedelta(days=185))
    assert limits.must_answer(player, MONDAY + timedelta(days=187))


@pytest.mark.feature("F95")
def test_gross_and_net_are_two_limits_and_a_withdrawal_helps_the_net_one_alone(database):
    player = player_in("GB")
    limit(player, LimitKind.DEPOSIT, 10_000, Period.WEEK, MONDAY)
    limit(player, LimitKind.NET_DEPOSIT, 4_000, Period.DAY, MONDAY)
    tell(player, DEPOSITED, 4_000, MONDAY)
    assert code(player, MONDAY, 1, Purpose.DEPOSIT) is GateCode.NET_DEPOSIT_LIMIT
    tell(player, facts.FactKind.WITHDRAWN, 3_000, MONDAY)
    assert code(player, MONDAY, 3_000, Purpose.DEPOSIT) is None
    assert code(player, MONDAY, 3_001, Purpose.DEPOSIT) is GateCode.NET_DEPOSIT_LIMIT
    tell(player, facts.FactKind.CAME_BACK, 3_000, MONDAY)
    assert code(player, MONDAY, 1, Purpose.DEPOSIT) is GateCode.NET_DEPOSIT_LIMIT
    tell(player, facts.FactKind.WITHDRAWN, 9_000, MONDAY)
    assert code(player, MONDAY, 6_001, Purpose.DEPOSIT) is GateCode.DEPOSIT_LIMIT
    assert code(player, MONDAY, 6_000, Purpose.DEPOSIT) is None


@pytest.mark.feature("F99")
def test_a_stake_limit_counts_turnover_and_a_loss_limit_what_was_lost(database):
    player = player_in("MT")
    limit(player, LimitKind.WAGER, 3_000, Period.DAY, MONDAY)
    limit(player, LimitKind.LOSS, 1_000, Period.DAY, MONDAY)
    tell(player, STAKED, 1_000, MONDAY)
    assert code(player, MONDAY, 1) is GateCode.LOSS_LIMIT
    tell(player, facts.FactKind.PAID_OUT, 1_900, MONDAY)
    assert code(player, MONDAY, 1_900) is None
    tell(player, STAKED, 1_500, MONDAY)
    assert code(player, MONDAY, 401) is GateCode.LOSS_LIMIT
    tell(player, facts.FactKind.PAID_OUT, 5_000, MONDAY)
    assert code(player, MONDAY, 501) is GateCode.WAGER_LIMIT
    tell(player, facts.FactKind.STAKE_RETURNED, 200, MONDAY)
    assert code(player, MONDAY, 700) is None


@pytest.mark.feature("F99")
def test_no_deposit_brings_the_balance_above_its_limit_with_what_is_in_flight(database):
    from tests import house

    player = house.player(balance_minor=6_000)
    limit(player, LimitKind.BALANCE, 10_000, Period.ALWAYS, MONDAY)
    assert code(player, MONDAY, 4_001, Purpose.DEPOSIT) is GateCode.BALANCE_LIMIT
    assert code(player, MONDAY, 4_000, Purpose.DEPOSIT) is None
    with pytest.raises(Refused) as refused:
        limit(player, LimitKind.BALANCE, 10_000, Period.DAY, MONDAY)
    assert refused.value.code is limits.LimitCode.NOT_OFFERED


@pytest.mark.parametrize(
    ("kind", "amount", "refusal"),
    [
        (LimitKind.SESSION_TIME, timedelta(0), limits.LimitCode.NOT_POSITIVE),
        (LimitKind.SESSION_TIME, timedelta(minutes=-5), limits.LimitCode.NOT_POSITIVE),
        (LimitKind.SESSION_TIME, timedelta(hours=25), limits.LimitCode.ABOVE_POLICY),
        (LimitKind.NET_DEPOSIT, Money(500, "EUR"), limits.LimitCode.NOT_OFFERED),
        (LimitKind.WAGER, Money(500, "SEK"), limits.LimitCode.WRONG_CURRENCY),
    ],
)
def test_what_cannot_be_a_limit_there_is_refused_and_nothing_is_kept(
    database, kind, amount, refusal
):
    player = player_in("MT")
    with pytest.raises(Refused) as refused:
        limits.set_limit(
            player,
            kind=kind,
            period=Period.DAY,
            amount=amount,
            actor=Actor.player(player),
            now=MONDAY,
        )
    assert refused.value.code is refusal
    assert limits.own_limits(player) == []
    assert limits.history(player) == []


@pytest.mark.feature("F98")
def test_a_higher_limit_without_a_period_waits_for_the_delay_and_for_no_end(database, monkeypatch):
    from compliance.jurisdictions import Jurisdiction
    from compliance.limit_arithmetic import ChangePolicy
    from tests import house

    until_the_end = ChangePolicy(
        timedelta(days=1), not_before_period_ends=True, needs_confirmation=False
    )
    monkeypatch.setattr(Jurisdiction, "change_policy", until_the_end)
    player = house.player()
    limit(player, LimitKind.BALANCE, 10_000, Period.ALWAYS, MONDAY)
    raised = limit(player, LimitKind.BALANCE, 20_000, Period.ALWAYS, MONDAY)
    assert raised.state.pending_at == MONDAY + timedelta(days=1)

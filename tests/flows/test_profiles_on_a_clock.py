"""Every profile on a clock: what it says of windows, delays, exclusion, checks, sessions and age.

What is expected stands here as data, read from the law's texts and the project's own file of them,
and is worked out by nothing that is tested. Germany offers no live tables: there the same profile
is asked as if it did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from compliance import exclusion, facts, limits, play_time, standing
from compliance.gate import GateCode, Purpose
from compliance.jurisdictions import known_codes, profile
from compliance.limit_arithmetic import LimitKind, Period, of_age_on
from compliance.models import Standing
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from tests import trigger_clock
from tests.flows.limit_steps import ask, code, limit, player_in, tell
from tests.flows.test_compliance_profiles import no_limits_wanted

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F119")]

STAKED = facts.FactKind.STAKED
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
#: Monday, noon UTC, in winter everywhere.
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Says:
    """What one profile is expected to do."""

    #: A window in autumn and one in spring, in which clocks change: first instant, and end.
    period: Period
    autumn: tuple[str, str]
    spring: tuple[str, str]
    #: How long a higher limit waits that is asked for on `MONDAY`; whether it is confirmed then.
    waits: timedelta
    is_confirmed: bool
    cool_off_most: timedelta
    exclusion_least: timedelta
    ends_by_itself: bool
    return_waits: timedelta
    check_every: timedelta
    longest_session: timedelta | None
    #: Born on this day, of age from this instant.
    born: date
    of_age_at: str


CET_DAYS = (
    ("2026-10-24T22:00:00", "2026-10-25T23:00:00"),  # 25 hours
    ("2027-03-27T23:00:00", "2027-03-28T22:00:00"),  # 23 hours
)
EASTERN_DAYS = (
    ("2026-11-01T04:00:00", "2026-11-02T05:00:00"),
    ("2027-03-14T05:00:00", "2027-03-15T04:00:00"),
)
HOURS_24, DAYS_7 = timedelta(hours=24), timedelta(days=7)
HALF_A_YEAR, A_MONTH = timedelta(days=186), timedelta(days=31)

PROFILES = {
    "GB": Says(
        Period.DAY,
        ("2026-10-24T23:00:00", "2026-10-26T00:00:00"),
        ("2027-03-28T00:00:00", "2027-03-28T23:00:00"),
        waits=HOURS_24, is_confirmed=True, cool_off_most=timedelta(days=42),
        exclusion_least=HALF_A_YEAR, ends_by_itself=False, return_waits=HOURS_24,
        check_every=30 * MINUTE, longest_session=None,
        born=date(2008, 11, 24), of_age_at="2026-11-24T00:00:00",
    ),
    "MT": Says(
        Period.DAY, *CET_DAYS,
        waits=HOURS_24, is_confirmed=False, cool_off_most=timedelta(days=30),
        exclusion_least=HALF_A_YEAR, ends_by_itself=False, return_waits=DAYS_7,
        check_every=60 * MINUTE, longest_session=None,
        born=date(2008, 11, 24), of_age_at="2026-11-23T23:00:00",
    ),
    "SE": Says(
        Period.DAY, *CET_DAYS,
        waits=timedelta(hours=72), is_confirmed=False, cool_off_most=timedelta(days=30),
        exclusion_least=A_MONTH, ends_by_itself=True, return_waits=HOURS_24,
        check_every=60 * MINUTE, longest_session=None,
        # on 29 February: a year older on 1 March
        born=date(2008, 2, 29), of_age_at="2026-02-28T23:00:00",
    ),
    "NL": Says(
        Period.DAY, *CET_DAYS,
        waits=DAYS_7, is_confirmed=False, cool_off_most=timedelta(days=30),
        exclusion_least=HALF_A_YEAR, ends_by_itself=False, return_waits=DAYS_7,
        check_every=30 * MINUTE, longest_session=None,
        born=date(2008, 11, 24), of_age_at="2026-11-23T23:00:00",
    ),
    "CA-ON": Says(
        Period.DAY, *EASTERN_DAYS,
        waits=HOURS_24, is_confirmed=False, cool_off_most=timedelta(days=93),
        exclusion_least=HALF_A_YEAR, ends_by_itself=False, return_waits=DAYS_7,
        check_every=60 * MINUTE, longest_session=None,
        born=date(2007, 11, 24), of_age_at="2026-11-24T05:00:00",
    ),
    "US-NJ": Says(
        Period.DAY, *EASTERN_DAYS,
        # to the end of the running day
        waits=timedelta(hours=17), is_confirmed=False, cool_off_most=timedelta(days=30),
        exclusion_least=timedelta(days=366), ends_by_itself=False, return_waits=DAYS_7,
        check_every=60 * MINUTE, longest_session=None,
        born=date(2005, 11, 24), of_age_at="2026-11-24T05:00:00",
    ),
    "DK": Says(
        # counted from when the limit was set: 24 hours, whatever clocks do
        Period.DAY,
        ("2026-10-24T22:00:00", "2026-10-25T22:00:00"),
        ("2027-03-27T23:00:00", "2027-03-28T23:00:00"),
        waits=HOURS_24, is_confirmed=False, cool_off_most=timedelta(days=30),
        exclusion_least=timedelta(days=30), ends_by_itself=True, return_waits=HOURS_24,
        check_every=60 * MINUTE, longest_session=None,
        born=date(2008, 11, 24), of_age_at="2026-11-23T23:00:00",
    ),
    "DE": Says(
        Period.MONTH,
        ("2026-09-30T22:00:00", "2026-10-31T23:00:00"),
        ("2027-02-28T23:00:00", "2027-03-31T22:00:00"),
        waits=DAYS_7, is_confirmed=False, cool_off_most=timedelta(days=30),
        exclusion_least=timedelta(days=93), ends_by_itself=False, return_waits=DAYS_7,
        check_every=60 * MINUTE, longest_session=60 * MINUTE,
        born=date(2008, 11, 24), of_age_at="2026-11-23T23:00:00",
    ),
    "DEMO": Says(
        Period.DAY, *CET_DAYS,
        waits=HOURS_24, is_confirmed=True, cool_off_most=timedelta(days=42),
        exclusion_least=HALF_A_YEAR, ends_by_itself=False, return_waits=HOURS_24,
        check_every=60 * MINUTE, longest_session=None,
        born=date(2008, 2, 29), of_age_at="2026-02-28T23:00:00",
    ),
}  # fmt: skip


def test_no_profile_is_left_out():
    assert set(PROFILES) == set(known_codes())


@pytest.fixture(params=sorted(PROFILES))
def place(request, monkeypatch) -> str:
    if request.param == "DE":
        offered = replace(profile("DE", MONDAY.date()), live_table_games=True)
        monkeypatch.setattr(standing, "profile", lambda _code, _on: offered)
    return str(request.param)


@pytest.fixture
def clock(monkeypatch):
    """The instant for acts that ask the database's clock; to be moved."""

    class Clock:
        now = MONDAY

    for module in (exclusion, play_time):
        monkeypatch.setattr(module, "database_now", lambda: Clock.now)
    return Clock


def somebody(place: str, since: datetime) -> PlayerId:
    """A verified player who has set what the law wants to be set."""
    player = player_in(place)
    no_limits_wanted(player, since)
    return player


@pytest.mark.feature("F99")
@pytest.mark.parametrize("season", ["autumn", "spring"])
def test_a_window_in_which_clocks_change_begins_and_ends_when_its_zone_says(place, season):
    says = PROFILES[place]
    begin, end = map(at, getattr(says, season))
    player = somebody(place, begin - timedelta(days=3))
    is_from_set = place == "DK"
    limit(player, LimitKind.LOSS, 1_000, says.period, begin - timedelta(days=1))
    tell(player, STAKED, 700, begin - SECOND)
    assert code(player, begin - SECOND, 301) is GateCode.LOSS_LIMIT
    assert code(player, begin - SECOND, 300) is None
    assert code(player, begin, 1_000) is None
    tell(player, STAKED, 1_000, begin)
    for folded in (False, True):
        if folded:
            facts.fold()
        assert code(player, begin, 1) is GateCode.LOSS_LIMIT
        assert code(player, end - SECOND, 1) is GateCode.LOSS_LIMIT
        assert code(player, end, 1_000) is None
    assert is_from_set is (end - begin == HOURS_24)


@pytest.mark.feature("F97")
def test_a_higher_limit_waits_and_a_lower_one_holds_at_once(place):
    says = PROFILES[place]
    player = somebody(place, MONDAY - timedelta(days=1))
    me = Actor.player(player)
    limit(player, LimitKind.LOSS, 5_000, says.period, MONDAY - timedelta(days=1))
    limit(player, LimitKind.LOSS, 1_000, says.period, MONDAY)
    assert code(player, MONDAY, 1_001) is GateCode.LOSS_LIMIT
    limit(player, LimitKind.LOSS, 2_000, says.period, MONDAY)
    then = MONDAY + says.waits
    which = {"kind": LimitKind.LOSS, "period": says.period, "actor": me}
    assert code(player, then - SECOND, 1_001) is GateCode.LOSS_LIMIT
    with pytest.raises(Refused) as refused:
        limits.confirm_increase(player, now=then - SECOND, **which)
    assert refused.value.code is limits.LimitCode.NOT_YET
    if says.is_confirmed:
        assert code(player, then, 1_001) is GateCode.LOSS_LIMIT
        limits.confirm_increase(player, now=then, **which)
    assert code(player, then, 2_000) is None
    assert code(player, then, 2_001) is GateCode.LOSS_LIMIT


@pytest.mark.feature("F102")
def test_a_break_has_a_longest_and_ends_by_itself(place, clock):
    says = PROFILES[place]
    player = somebody(place, MONDAY)
    words = {"actor": Actor.player(player), "reason": "a break"}
    with pytest.raises(Refused) as refused:
        exclusion.cool_off(player, until=MONDAY + says.cool_off_most + SECOND, **words)
    assert refused.value.code is exclusion.ExclusionCode.TOO_LONG
    assert code(player, MONDAY) is None
    until = MONDAY + says.cool_off_most
    exclusion.cool_off(player, until=until, **words)
    for purpose in (Purpose.BET, Purpose.DEPOSIT, Purpose.MARKETING):
        assert code(player, until - SECOND, purpose=purpose) is GateCode.COOLING_OFF
        assert code(player, until, purpose=purpose) is None
    assert code(player, MONDAY, purpose=Purpose.WITHDRAWAL) is None


@pytest.mark.feature("F102", "F105")
def test_an_exclusion_has_a_least_and_ends_as_the_profile_says(place, clock, owner):
    says = PROFILES[place]
    owner.execute(trigger_clock.CLOCK)
    trigger_clock.set_clock(MONDAY, until_commit=False)
    player = somebody(place, MONDAY)
    words = {"actor": Actor.player(player), "reason": "enough"}
    until = MONDAY + says.exclusion_least
    with pytest.raises(Refused) as refused:
        exclusion.self_exclude(player, until=until - SECOND, **words)
    assert refused.value.code is exclusion.ExclusionCode.TOO_SHORT
    assert code(player, MONDAY) is None
    exclusion.self_exclude(player, until=until, **words)
    for purpose in (Purpose.BET, Purpose.DEPOSIT, Purpose.MARKETING):
        assert code(player, until - SECOND, purpose=purpose) is GateCode.EXCLUDED
    assert code(player, MONDAY, purpose=Purpose.WITHDRAWAL) is None
    assert code(player, MONDAY, purpose=Purpose.SIGN_IN) is None
    clock.now = until
    if says.ends_by_itself:
        assert code(player, until) is None
        with pytest.raises(Refused) as refused:
            exclusion.come_back(player, **words)
        assert refused.value.code is exclusion.ExclusionCode.NOT_EXCLUDED
        return
    a_year_later = until + timedelta(days=365)
    assert code(player, a_year_later) is GateCode.EXCLUDED
    clock.now = until - SECOND
    with pytest.raises(Refused) as refused:
        exclusion.come_back(player, **words)
    assert refused.value.code is exclusion.ExclusionCode.NOT_OVER
    clock.now = a_year_later
    trigger_clock.set_clock(a_year_later, until_commit=False)
    assert exclusion.come_back(player, **words) == a_year_later + says.return_waits
    assert code(player, a_year_later + says.return_waits - SECOND) is GateCode.EXCLUDED
    assert code(player, a_year_later + says.return_waits) is None


@pytest.mark.feature("F100")
def test_a_check_of_reality_comes_after_the_profile_s_time_of_play(place):
    says = PROFILES[place]
    player = somebody(place, MONDAY)
    every = 4 * MINUTE  # below the shortest pause
    for nth in range(says.check_every // every):
        assert code(player, MONDAY + nth * every) is None
    assert code(player, MONDAY + says.check_every - SECOND) is None
    due = ask(player, MONDAY + says.check_every)
    if says.longest_session == says.check_every:  # the session is over at the same instant
        assert due.code is GateCode.SESSION_OVER
    else:
        assert due.code is GateCode.REALITY_CHECK
        assert due.data["since"] == MONDAY.isoformat()
    assert Standing.objects.get(pk=player).check_due_at == MONDAY + says.check_every


@pytest.mark.feature("F99")
def test_a_session_lasts_as_long_as_the_profile_lets_it(place, clock):
    """Played through, each check looked at: for ever, or to the profile's longest."""
    says = PROFILES[place]
    player = somebody(place, MONDAY)
    me = Actor.player(player)
    every = 4 * MINUTE
    for nth in range(3 * 15):  # three hours
        clock.now = MONDAY + nth * every
        answer = code(player, clock.now)
        if answer is GateCode.REALITY_CHECK:
            due_at = Standing.objects.get(pk=player).check_due_at
            shown = play_time.Shown(0, 0, 0, 0, "EUR")
            play_time.look_at_check(player, due_at=due_at, shown=shown, actor=me)
            answer = code(player, clock.now)
        if says.longest_session is not None and nth * every >= says.longest_session:
            assert answer is GateCode.SESSION_OVER
            break
        assert answer is None
    else:
        assert says.longest_session is None
        assert Standing.objects.get(pk=player).play_since == MONDAY


@pytest.mark.feature("F108")
def test_nobody_plays_or_pays_in_before_the_local_day_on_which_they_are_of_age(place):
    says = PROFILES[place]
    first = at(says.of_age_at)
    player = player_in(place)
    minimum_age = profile(place, MONDAY.date()).minimum_age
    Standing.objects.filter(pk=player).update(of_age_on=of_age_on(says.born, minimum_age))
    no_limits_wanted(player, first - SECOND)
    for purpose in (Purpose.BET, Purpose.DEPOSIT):
        assert code(player, first - SECOND, purpose=purpose) is GateCode.UNDER_AGE
        assert code(player, first, purpose=purpose) is None

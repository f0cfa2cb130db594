"""The arithmetic of limits: gaming days, windows, what is used, what is left, when a change counts.

Pure: no clock, no database. Amounts are integer minor units of one currency (whole seconds for
limits of time); instants are aware. Calendar windows begin at local midnight of the jurisdiction's
zone: a day has 23 to 25 hours. Other windows are so many hours long and begin at a quarter hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from kernel.invariant import ensure


class Period(StrEnum):
    """How long a limit's window is. ALWAYS: it has none, as for what a balance may become."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ALWAYS = "always"


class PeriodKind(StrEnum):
    """Where windows begin: at local midnight; so long ago; or counted from when a limit was set."""

    CALENDAR = "calendar"
    ROLLING = "rolling"
    FROM_SET = "from_set"


class LimitKind(StrEnum):
    """What a limit counts. DEPOSIT is gross: withdrawals and winnings never free allowance.

    NET_DEPOSIT: paid in less paid out. WAGER: all stakes but those that were returned. LOSS: stakes
    less whatever came back. SESSION_TIME: seconds of play. BALANCE: what a deposit may lead to.
    """

    DEPOSIT = "deposit"
    NET_DEPOSIT = "net_deposit"
    LOSS = "loss"
    WAGER = "wager"
    SESSION_TIME = "session_time"
    BALANCE = "balance"


#: Windows that are no calendar's begin at such a mark: facts are summed up by quarters of an hour,
#: and every zone's midnight is one of them.
QUARTER: Final = timedelta(minutes=15)
#: A month that rolls is never shorter than a calendar's; one counted from a limit's setting has 30
#: days, as the Danish guide (BEK 67/2012) says.
_LENGTHS: Final = {
    (PeriodKind.ROLLING, Period.MONTH): timedelta(days=31),
    (PeriodKind.FROM_SET, Period.MONTH): timedelta(days=30),
}
_DAYS: Final = {Period.DAY: timedelta(days=1), Period.WEEK: timedelta(days=7)}
#: A limit without a period looks back to before anybody played.
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


def periods_of(kind: LimitKind, offered: tuple[Period, ...]) -> tuple[Period, ...]:
    """The periods in which a limit of ``kind`` comes, of those that a policy offers."""
    return (Period.ALWAYS,) if kind is LimitKind.BALANCE else offered


@dataclass(frozen=True, slots=True)
class Window:
    """The window that contains an instant: ``[starts_at, ends_at)``, and its first gaming day.

    ``first_day`` is None where it is not cut at midnights: then it is summed up by quarters.
    ``ends_at`` of one that rolls: when nothing that counts now counts any more.
    """

    first_day: date | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Used:
    """What happened to a player's money in one window, in minor units."""

    deposited_minor: int = 0
    in_flight_minor: int = 0
    staked_minor: int = 0
    returned_minor: int = 0
    paid_out_minor: int = 0
    withdrawn_minor: int = 0
    balance_minor: int = 0
    played_s: int = 0

    def towards(self, kind: LimitKind) -> int:
        """What counts against a limit of ``kind``.

        Negative for LOSS where the player is ahead, and for NET_DEPOSIT where more was paid out.
        """
        match kind:
            case LimitKind.DEPOSIT:
                return self.deposited_minor + self.in_flight_minor
            case LimitKind.NET_DEPOSIT:
                return self.deposited_minor + self.in_flight_minor - self.withdrawn_minor
            case LimitKind.LOSS:
                return self.staked_minor - self.returned_minor - self.paid_out_minor
            case LimitKind.WAGER:
                return self.staked_minor - self.returned_minor
            case LimitKind.SESSION_TIME:
                return self.played_s
            case LimitKind.BALANCE:
                return self.balance_minor + self.in_flight_minor


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in force. ``amount_minor`` of a limit of time: seconds."""

    kind: LimitKind
    period: Period
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Room:
    """How much a limit still allows."""

    limit: Limit
    used_minor: int

    @property
    def left_minor(self) -> int:
        """Never negative: being over a lowered limit leaves nothing, it does not owe."""
        return max(0, self.limit.amount_minor - self.used_minor)


@dataclass(frozen=True, slots=True)
class LimitState:
    """A player's own limit: the amount in force (None: no limit), and a change that waits.

    ``pending_at`` says whether a change waits; ``pending_minor`` None then means "no limit".
    """

    amount_minor: int | None = None
    pending_minor: int | None = None
    pending_at: datetime | None = None
    needs_confirmation: bool = False


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    """When an increase may take effect, from the jurisdiction's profile."""

    increase_delay: timedelta
    not_before_period_ends: bool
    needs_confirmation: bool


def gaming_day(at: datetime, zone: str) -> date:
    """The calendar day of ``at`` in ``zone``."""
    ensure(at.tzinfo is not None, "instants are aware", at=at)
    return at.astimezone(ZoneInfo(zone)).date()


def first_day(period: Period, day: date) -> date:
    """The first day of the calendar window that contains ``day``; weeks begin on Monday."""
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.ALWAYS:
            return _EVER.date()


def window(
    period: Period,
    at: datetime,
    zone: str,
    kind: PeriodKind = PeriodKind.CALENDAR,
    set_at: datetime | None = None,
) -> Window:
    """The window of ``period`` around ``at``.

    CALENDAR: cut at midnights of ``zone``, DST included. ROLLING: the last 24 hours, 7 or 31 days,
    and the rest of the quarter hour in which they began. FROM_SET: so many times 24 hours, 7 or 30
    days after ``set_at``, which is a quarter's mark (`quarter`).
    """
    if period is Period.ALWAYS:
        return Window(_EVER.date(), _EVER, datetime.max.replace(tzinfo=UTC))
    if kind is PeriodKind.CALENDAR:
        first = first_day(period, gaming_day(at, zone))
        return Window(first, _midnight(first, zone), _midnight(_next_first(period, first), zone))
    length = length_of(period, kind)
    if kind is PeriodKind.ROLLING:
        return Window(None, quarter(at - length), at + length)
    ensure(set_at is not None and quarter(set_at) == set_at, "set at a quarter's mark", at=set_at)
    start = set_at or at
    starts_at = start + length * ((at - start) // length)
    return Window(None, starts_at, starts_at + length)


def length_of(period: Period, kind: PeriodKind) -> timedelta:
    """How long a window is that is not cut at midnights."""
    return _LENGTHS.get((kind, period)) or _DAYS[period]


def quarter(at: datetime) -> datetime:
    """The last quarter hour's mark up to ``at``."""
    since = at - _EVER
    return _EVER + since // QUARTER * QUARTER


def _next_first(period: Period, first: date) -> date:
    match period:
        case Period.WEEK:
            return first + timedelta(days=7)
        case Period.MONTH:
            return (first + timedelta(days=31)).replace(day=1)
        case _:
            return first + timedelta(days=1)


def _midnight(day: date, zone: str) -> datetime:
    """The first instant of ``day``; where midnight is skipped, the instant of the skip."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def age_on(date_of_birth: date, day: date) -> int:
    """Whole years completed on ``day``. Born on 29 February: a year older on 1 March."""
    had_birthday = (day.month, day.day) >= (date_of_birth.month, date_of_birth.day)
    return day.year - date_of_birth.year - (0 if had_birthday else 1)


def of_age_on(date_of_birth: date, minimum_age: int) -> date:
    """The first day on which someone has completed ``minimum_age`` years."""
    year = date_of_birth.year + minimum_age
    try:
        return date_of_birth.replace(year=year)
    except ValueError:  # born on 29 February, and that year has none
        return date(year, 3, 1)


def in_force(state: LimitState, now: datetime) -> int | None:
    """The amount that counts at ``now``: a due change that needs no confirmation has happened."""
    if state.pending_at is not None and state.pending_at <= now and not state.needs_confirmation:
        return state.pending_minor
    return state.amount_minor


def settled(state: LimitState, now: datetime) -> LimitState:
    """``state`` with a change that has taken effect by ``now`` written into the amount."""
    if state.pending_at is not None and state.pending_at <= now and not state.needs_confirmation:
        return LimitState(state.pending_minor)
    return state


def is_decrease(current_minor: int | None, wanted_minor: int | None) -> bool:
    """Whether ``wanted`` is at most ``current``; no limit (None) is above every amount."""
    if wanted_minor is None:
        return current_minor is None
    return current_minor is None or wanted_minor <= current_minor


def changed(
    state: LimitState, wanted_minor: int | None, now: datetime, policy: ChangePolicy, ends: datetime
) -> LimitState:
    """``state`` after the player asks for ``wanted`` at ``now``; ``ends`` is the window's end.

    A decrease counts at once and drops a waiting increase. An increase waits for the policy's
    delay (and the window's end, where the policy says so), replaces one that waits already, and
    leaves the amount in force untouched.
    """
    ensure(wanted_minor is None or wanted_minor > 0, "limits are positive", wanted=wanted_minor)
    current = settled(state, now)
    if is_decrease(current.amount_minor, wanted_minor):
        return LimitState(wanted_minor)
    at = now + policy.increase_delay
    if policy.not_before_period_ends:
        at = max(at, ends)
    return LimitState(current.amount_minor, wanted_minor, at, policy.needs_confirmation)


def confirmed(state: LimitState, now: datetime) -> LimitState:
    """``state`` after the player confirms a waiting increase; counts only once it is due."""
    if state.pending_at is None or state.pending_at > now:
        return state
    return settled(replace(state, needs_confirmation=False), now)


def cancelled(state: LimitState, now: datetime) -> LimitState:
    """``state`` without the increase that waits."""
    return LimitState(settled(state, now).amount_minor)


def tightest(rooms: Iterable[Room]) -> Room | None:
    """The room that allows least: of several limits the lowest applies. None: no limit at all.

    Of several that are used up the one that is furthest over: it stays used up the longest.
    """
    return min(
        rooms,
        key=lambda room: (room.limit.amount_minor - room.used_minor, room.limit.amount_minor),
        default=None,
    )

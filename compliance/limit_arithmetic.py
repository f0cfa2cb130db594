"""The arithmetic of limits: gaming days, windows, what is used, what is left, when a change counts.

Pure: no clock, no database. Amounts are integer minor units of one currency; instants are aware.
Calendar windows begin at local midnight of the jurisdiction's zone: a day has 23 to 25 hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from kernel.invariant import ensure


class Period(StrEnum):
    """How long a limit's window is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class LimitKind(StrEnum):
    """What a limit counts. DEPOSIT is gross: withdrawals and winnings never free allowance."""

    DEPOSIT = "deposit"
    LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Window:
    """The window that contains an instant: its first gaming day, and ``[starts_at, ends_at)``."""

    first_day: date
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

    def towards(self, kind: LimitKind) -> int:
        """What counts against a limit of ``kind``; negative for LOSS where the player is ahead."""
        match kind:
            case LimitKind.DEPOSIT:
                return self.deposited_minor + self.in_flight_minor
            case LimitKind.LOSS:
                return self.staked_minor - self.returned_minor - self.paid_out_minor


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in force."""

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


def window(period: Period, at: datetime, zone: str) -> Window:
    """The calendar window of ``period`` around ``at``, cut at local midnights, DST included."""
    first = first_day(period, gaming_day(at, zone))
    return Window(first, _midnight(first, zone), _midnight(_next_first(period, first), zone))


def _next_first(period: Period, first: date) -> date:
    match period:
        case Period.DAY:
            return first + timedelta(days=1)
        case Period.WEEK:
            return first + timedelta(days=7)
        case Period.MONTH:
            return (first + timedelta(days=31)).replace(day=1)


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
    """The room that allows least: of several limits the lowest applies. None: no limit at all."""
    return min(rooms, key=lambda room: (room.left_minor, room.limit.amount_minor), default=None)

"""Sessions of play and checks of reality, as rules: when one goes on, is over, or is due.

Pure: no clock, no database. A session of play is a person's, not a browser's: it goes on over all
tables and devices, and ends by a pause without play, never by signing out and in again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from kernel.invariant import ensure

#: Acts within this time of the last note are not noted again, to spare a write per bet.
NOTED_EVERY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class PlayPolicy:
    """What a jurisdiction's profile says of time."""

    pause: timedelta
    longest: timedelta | None
    check_default: timedelta
    check_longest: timedelta

    @property
    def ends_after(self) -> timedelta:
        """How long after the last act that was noted a session has ended.

        Where a pause is compulsory it is never shorter than the law's: the last act may have come
        up to `NOTED_EVERY` after the last that was noted.
        """
        return self.pause if self.longest is None else self.pause + NOTED_EVERY


@dataclass(frozen=True, slots=True)
class Play:
    """The session of a player: since when, the last act in it, when a check of reality is due."""

    since: datetime
    seen_at: datetime
    check_due_at: datetime


def check_every(wanted_s: int | None, policy: PlayPolicy) -> timedelta:
    """How often checks come: as the player wants, never more rarely than the policy says."""
    wanted = policy.check_default if wanted_s is None else timedelta(seconds=wanted_s)
    return min(wanted, policy.check_longest)


def goes_on(play: Play | None, now: datetime, policy: PlayPolicy) -> bool:
    """Whether ``play`` is still the session at ``now``."""
    return play is not None and now - play.seen_at < policy.ends_after


def joined(play: Play | None, now: datetime, wanted_s: int | None, policy: PlayPolicy) -> Play:
    """The session to which an act at ``now`` belongs: this one gone on, or a new one."""
    if play is not None and goes_on(play, now, policy):
        return replace(play, seen_at=max(now, play.seen_at))
    return Play(now, now, now + check_every(wanted_s, policy))


def is_check_due(play: Play | None, now: datetime, policy: PlayPolicy) -> bool:
    """Whether the player has to look at a check of reality before the next bet."""
    return play is not None and goes_on(play, now, policy) and now >= play.check_due_at


def over_until(play: Play | None, now: datetime, policy: PlayPolicy) -> datetime | None:
    """When a session that has lasted its longest may be followed by another; None: it may go on."""
    if play is None or policy.longest is None or not goes_on(play, now, policy):
        return None
    return None if now < play.since + policy.longest else play.seen_at + policy.ends_after


def acknowledged(play: Play, now: datetime, wanted_s: int | None, policy: PlayPolicy) -> Play:
    """``play`` after a check that was due was looked at: the next one comes its interval later.

    Looking is an act, but where the session is over it does not put the end of its pause off.
    """
    ensure(now >= play.check_due_at, "only a check that is due is looked at", due=play.check_due_at)
    seen_at = now if over_until(play, now, policy) is None else play.seen_at
    return replace(play, seen_at=seen_at, check_due_at=now + check_every(wanted_s, policy))


def rescheduled(play: Play, now: datetime, wanted_s: int | None, policy: PlayPolicy) -> Play:
    """``play`` after the player chose an interval: a check may come earlier by that, never later.

    So nobody puts a check off by asking for rarer ones: those begin after the next.
    """
    due = min(play.check_due_at, now + check_every(wanted_s, policy))
    return replace(play, check_due_at=due)


def seconds_in(
    sessions: Iterable[tuple[datetime, datetime]], starts_at: datetime, ends_at: datetime
) -> int:
    """Whole seconds that ``sessions`` (beginning, end) have inside a window, rounded up."""
    spent = sum(
        (max(timedelta(0), min(end, ends_at) - max(start, starts_at)) for start, end in sessions),
        timedelta(0),
    )
    return -(-spent // timedelta(seconds=1))

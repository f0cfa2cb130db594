"""Where media time lies on the wall clock, told from when fragments arrive. Pure.

A fragment can only come late, never early: of the last ones, the one that came soonest after its
media time tells best, and what it was late by even so is the encoder's constant delay, which is
known (``PIPELINE``). So the anchor is the least "arrival − media time" of a few seconds, less that.

A camera whose clock runs differently from ours moves it slowly; the anchor follows by small steps,
which no player notices. A jump (frames lost by a second, a clock that was set) is followed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from streaming.window import TICKS_PER_SECOND

#: So many fragments are remembered: a busy machine lets one in ten through undisturbed.
REMEMBERED: Final = 10

#: At most so much of a difference is made up per fragment: 2 % of a second is seen by nobody.
SLEW: Final = timedelta(milliseconds=20)

#: A larger difference than this is a jump, not drift, and is followed at once.
JUMP: Final = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The wall-clock time of media time zero."""

    zero_at: datetime
    heard: tuple[datetime, ...]  # what each of the last fragments says it is at the latest

    @classmethod
    def first(cls, arrived_at: datetime, end_ticks: int, delay: timedelta) -> Anchor:
        """From the first fragment of a timeline, which ended at ``end_ticks`` of media time."""
        heard = arrived_at - _span(end_ticks) - delay
        return cls(heard, (heard,))

    def follow(self, arrived_at: datetime, end_ticks: int, delay: timedelta) -> Anchor:
        """After one more fragment."""
        heard = (*self.heard, arrived_at - _span(end_ticks) - delay)[-REMEMBERED:]
        difference = min(heard) - self.zero_at
        if abs(difference) <= JUMP:
            difference = max(-SLEW, min(SLEW, difference))
        return replace(self, zero_at=self.zero_at + difference, heard=heard)

    def wall_clock(self, ticks: int) -> datetime:
        return self.zero_at + _span(ticks)


def _span(ticks: int) -> timedelta:
    return timedelta(microseconds=ticks * 1_000_000 // TICKS_PER_SECOND)

"""The one clock. Deciding code is handed a ``Clock`` or a ``now``; only shells read the time.

Where a deadline decides over money, the database's ``clock_timestamp()`` read after the lock is
the judge (``audit.database_clock``), never this process.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Something that knows the time, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock. Constructed at process borders only."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told: for simulations and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        self._now += by
        return self._now


def monotonic_ms() -> int:
    """Milliseconds of a clock that never jumps: for durations inside one process, never records."""
    return time.monotonic_ns() // 1_000_000


def epoch_ms(at: datetime) -> int:
    """``at`` as whole milliseconds since 1970, the form in which the wire carries instants."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

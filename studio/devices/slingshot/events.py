"""Frames to typed events: what changed between one status and the next, and what fell silent.

Pure: time arrives as an argument, milliseconds of any monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.devices.slingshot.frames import BareNumber, Frame, Status, Unreadable
from studio.devices.slingshot.limits import CADENCE_MS, Limits


@dataclass(frozen=True, slots=True)
class Joined:
    """The first status since the connection was made: nothing is known of what came before."""

    status: Status


@dataclass(frozen=True, slots=True)
class Stayed:
    """Another status in the same state, which has lasted ``lasted_ms`` so far."""

    before: Status
    status: Status
    lasted_ms: int
    after_silence: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """The state changed after ``lasted_ms`` in the old one.

    ``after_silence``: frames were missed in between, so that nobody saw the edge itself.
    """

    before: Status
    status: Status
    lasted_ms: int
    after_silence: bool


@dataclass(frozen=True, slots=True)
class NumberSaid:
    """The wheel said a number alone, outside a status frame."""

    number: int


@dataclass(frozen=True, slots=True)
class FellSilent:
    """No readable status for longer than the limit. Told once per silence."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are no frame."""

    content: bytes


Event = Joined | Stayed | Moved | NumberSaid | FellSilent | Lost | Noise


class Tracker:
    """Remembers the last status and when its state began."""

    def __init__(self, limits: Limits, at_ms: int) -> None:
        self._limits = limits
        self._last: Status | None = None
        self._heard_ms = at_ms
        self._silent = False
        self._studio_ms = 0
        self._since_ms = 0

    @property
    def silent_at_ms(self) -> int | None:
        """When :meth:`tick` will find silence unless a status comes first; None once it has."""
        return None if self._silent else self._heard_ms + self._limits.silence_ms + 1

    def take(self, frame: Frame, at_ms: int) -> list[Event]:
        """The events that ``frame``, read at ``at_ms``, brings."""
        if isinstance(frame, Status):
            return self._status(frame, at_ms)
        if isinstance(frame, BareNumber):
            return [NumberSaid(frame.number)]
        if isinstance(frame, Unreadable):
            return [Noise(frame.content)]
        return []

    def tick(self, at_ms: int) -> list[Event]:
        """Silence, if there has been too much of it by ``at_ms``."""
        if self._silent or at_ms - self._heard_ms <= self._limits.silence_ms:
            return []
        self._silent = True
        return [FellSilent()]

    def lost(self, at_ms: int) -> list[Event]:
        """The connection ended: forget the wheel's state. Silence counts from now on."""
        self._last = None
        self._heard_ms, self._silent = at_ms, True
        return [Lost()]

    def _status(self, status: Status, at_ms: int) -> list[Event]:
        events = self.tick(at_ms)
        missed, self._silent = self._silent, False
        self._studio_ms = self._studio_ms + CADENCE_MS if self._limits.counted else at_ms
        before, self._last = self._last, status
        self._heard_ms = at_ms
        if before is None:
            self._since_ms = self._studio_ms
            return [*events, Joined(status)]
        lasted_ms = self._studio_ms - self._since_ms
        if before.state == status.state:
            return [*events, Stayed(before, status, lasted_ms, missed)]
        self._since_ms = self._studio_ms
        return [*events, Moved(before, status, lasted_ms, missed)]

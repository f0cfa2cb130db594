"""Signed observations that the platform has not acknowledged yet, in order and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from studio.protocol.messages import ObservationKind
from studio.protocol.signatures import Signed

#: A round makes about a dozen; this is what several hours without the platform leave behind.
WAITING_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Waiting:
    """A signed observation with what is needed to acknowledge or give it up."""

    device: str
    seq: int
    kind: ObservationKind
    signed: Signed


class Outbox:
    """Keeps the order of both devices of a table. Nothing leaves but by acknowledgement.

    Only when full does it give up something: the oldest mere wheel state, else the oldest of all;
    ``given_up`` counts them. The platform has stopped the table long before that.
    """

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._waiting: list[Waiting] = []
        self._waiting_max = waiting_max
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting) -> None:
        if len(self._waiting) >= self._waiting_max:
            self._give_up()
        self._waiting.append(waiting)

    def oldest(self, count: int) -> tuple[Signed, ...]:
        """Up to ``count`` observations, oldest first; they stay until acknowledged."""
        return tuple(waiting.signed for waiting in self._waiting[:count])

    def acknowledge(self, acked: Mapping[str, int]) -> int:
        """Forget everything up to the acknowledged sequence of each device; returns how many."""
        before = len(self._waiting)
        self._waiting = [w for w in self._waiting if w.seq > acked.get(w.device, 0)]
        return before - len(self._waiting)

    def _give_up(self) -> None:
        states = (
            index
            for index, waiting in enumerate(self._waiting)
            if waiting.kind is ObservationKind.WHEEL_STATE
        )
        del self._waiting[next(states, 0)]
        self.given_up += 1

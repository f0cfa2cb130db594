"""What can go wrong in the simulated studio, by rates per launch or by order for the next one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from studio.simulated.chance import Chance

_ORDERED_MAX: Final = 16


class Fault(StrEnum):
    """One fault of one launch, or of its reading by the presenter."""

    NO_BALL = "no_ball"
    TOO_FEW_REVOLUTIONS = "too_few_revolutions"
    WRONG_DIRECTION = "wrong_direction"
    BALL_REMOVED = "ball_removed"
    SENSOR_SILENT = "sensor_silent"
    TRUNCATED_FRAMES = "truncated_frames"
    DISCONNECT = "disconnect"
    MISREAD = "misread"
    NO_CONFIRM = "no_confirm"


#: Faults of the ball itself: only one of them can befall a launch.
OF_THE_BALL: Final = frozenset(
    {Fault.NO_BALL, Fault.TOO_FEW_REVOLUTIONS, Fault.WRONG_DIRECTION, Fault.BALL_REMOVED}
)


class FaultPlan:
    """Decides which faults the next launch has. Draws never touch the outcome's chance."""

    def __init__(self, rates: Mapping[Fault, float], chance: Chance) -> None:
        self._rates = dict(rates)
        self._chance = chance
        self._ordered: deque[Fault] = deque(maxlen=_ORDERED_MAX)

    @property
    def ordered(self) -> list[Fault]:
        return list(self._ordered)

    def order(self, fault: Fault) -> bool:
        """Queue ``fault`` for a launch to come; False when the queue is full."""
        if len(self._ordered) == _ORDERED_MAX:
            return False
        self._ordered.append(fault)
        return True

    def clear(self) -> None:
        self._ordered.clear()

    def for_next_launch(self) -> frozenset[Fault]:
        """One ordered fault, or else those that their rates bring, at most one of the ball."""
        if self._ordered:
            return frozenset({self._ordered.popleft()})
        drawn: set[Fault] = set()
        for fault in Fault:
            happens = self._chance.happens(self._rates.get(fault, 0.0))
            if happens and not (fault in OF_THE_BALL and drawn & OF_THE_BALL):
                drawn.add(fault)
        return frozenset(drawn)

"""One launched ball as the wheel's sensors see it: states and flags over time, faults included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from studio.simulated.chance import Chance
from studio.simulated.faults import Fault
from studio.simulated.trajectory import Launch, Trajectory, simulate
from studio.simulated.truth import Sealed

#: The wheel gives up by itself after this long without a number.
SELF_STOP_S: Final = 75.0
#: About one frame in 90 of a real studio carried the launch flag: a fifth of launches, briefly.
_LAUNCH_FLAG_RATE: Final = 0.2

_NOT_SEEN, _SAME_DIRECTION, _LAUNCH_FAILED = 1, 2, 8


@dataclass(frozen=True, slots=True)
class Flight:
    """``at_s`` in its methods counts from the launch."""

    sealed: Sealed
    trajectory: Trajectory
    direction: int
    round: int | None
    faults: frozenset[Fault]
    launch_flag_s: tuple[float, float]
    removed_s: float | None
    silent_s: tuple[float, float] | None
    stands_s: float

    @property
    def has_number(self) -> bool:
        """Whether the wheel will come to show a number, valid or not."""
        return Fault.NO_BALL not in self.faults and self.removed_s is None

    @property
    def ends_s(self) -> float:
        """When the wheel leaves the spin by itself."""
        return self.trajectory.read_s + self.stands_s if self.has_number else SELF_STOP_S

    @property
    def no_spin(self) -> str | None:
        """Why this launch counts for nothing; None: it is valid."""
        for fault in (
            Fault.NO_BALL,
            Fault.TOO_FEW_REVOLUTIONS,
            Fault.WRONG_DIRECTION,
            Fault.BALL_REMOVED,
        ):
            if fault in self.faults:
                return fault.value
        return None

    def state_at(self, at_s: float) -> int:
        """The protocol's state."""
        if Fault.NO_BALL in self.faults:
            return 2 if at_s < 5.0 else 7
        way = self.trajectory
        if at_s < way.detected_s:
            return 2
        if at_s < way.no_more_bets_s:
            return 3
        return 5 if self.has_number and at_s >= way.read_s else 4

    def flags_at(self, at_s: float) -> int:
        """The protocol's warning bits."""
        flags = 0
        if self.launch_flag_s[0] <= at_s < self.launch_flag_s[1]:
            flags |= _LAUNCH_FAILED
        state = self.state_at(at_s)
        if state == 3 and Fault.WRONG_DIRECTION in self.faults:
            flags |= _SAME_DIRECTION
        if self.removed_s is not None and at_s >= self.removed_s:
            flags |= _NOT_SEEN
        return flags

    def is_silent(self, at_s: float) -> bool:
        """Whether the sensor sends nothing then."""
        return self.silent_s is not None and self.silent_s[0] <= at_s < self.silent_s[1]


def take_off(
    sealed: Sealed, direction: int, round_: int | None, faults: frozenset[Fault], chance: Chance
) -> Flight:
    """A flight whose outcome follows from ``sealed`` and whose troubles are drawn from ``chance``.

    State 5 stands 5.5 s (median of a real studio) after a number.
    """
    launch = Launch(
        direction,
        weak=Fault.TOO_FEW_REVOLUTIONS in faults,
        same_direction=Fault.WRONG_DIRECTION in faults,
    )
    way = simulate(sealed.seed, launch)
    removed = None
    if Fault.BALL_REMOVED in faults:
        removed = way.no_more_bets_s + chance.between(3.0, 9.0)
    flagged = (0.0, 0.0)
    if Fault.NO_BALL in faults:
        flagged = (1.0, 5.0)
    elif chance.happens(_LAUNCH_FLAG_RATE):
        flagged = (0.0, way.detected_s + chance.between(0.0, 2.0))
    silent = None
    if Fault.SENSOR_SILENT in faults:
        begins = chance.between(way.no_more_bets_s, way.read_s)
        silent = (begins, begins + chance.between(2.5, 8.0))
    return Flight(
        sealed=sealed,
        trajectory=way,
        direction=direction,
        round=round_,
        faults=faults,
        launch_flag_s=flagged,
        removed_s=removed,
        silent_s=silent,
        stands_s=min(max(chance.normal(5.5, 0.4), 4.0), 7.0),
    )

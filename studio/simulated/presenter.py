"""The simulated presenter: obeys the cue, launches the ball, reads the wheel with her own eyes.

Driven by studio time. She knows the number only by looking at the resting ball, and misreads it
at a set rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from studio.simulated.chance import Chance
from studio.simulated.faults import Fault
from studio.simulated.flight import Flight
from studio.simulated.trajectory import POCKETS

#: From betting open to the launch in 1,135 real rounds: p50 8.0 s; 8.6 % took over 20 s.
_SLOW_RATE: Final = 0.086
_SLOW_S: Final = (20.0, 45.0)
#: She presses "no spin" only when the machine did not by itself within this time (it takes 5 s to
#: be sure that a ball is gone).
_NO_SPIN_AFTER_S: Final = 8.0
_ASK_AGAIN_S: Final = 3.0
_CONFIRMS_MAX: Final = 3


def launch_delay_s(chance: Chance) -> float:
    """How long after betting opened the ball is launched."""
    if chance.happens(_SLOW_RATE):
        return chance.between(*_SLOW_S)
    return min(max(chance.normal(7.9, 0.8), 6.2), 10.2)


@dataclass(slots=True)
class _Task:
    """What she is about to do, and when. None: nothing."""

    launch_s: float | None = None
    confirm_s: float | None = None
    no_spin_s: float | None = None


@dataclass(slots=True)
class Presenter:
    """``patience_s`` is the least time that she gives the platform to answer, in studio time."""

    chance: Chance
    misread_rate: float
    patience_s: float
    order: str = "wait"
    round: int | None = None
    _heard_s: float = 0.0
    _launched_round: int | None = None
    _landed_s: float | None = None
    _flight: Flight | None = None
    _reading: int | None = None
    _confirms: int = 0
    _task: _Task = field(default_factory=_Task)

    @property
    def due_s(self) -> float | None:
        """When she next does something by herself."""
        task = self._task
        times = [t for t in (task.launch_s, task.confirm_s, task.no_spin_s) if t is not None]
        return min(times, default=None)

    @property
    def launches_s(self) -> float | None:
        """When she means to launch the ball; None: she does not."""
        return self._task.launch_s

    def hear(self, cue: Mapping[str, object], t: float) -> None:
        """Look at the screen."""
        order, round_ = cue.get("order"), cue.get("round")
        self.order = order if isinstance(order, str) else "stopped"
        self.round = round_ if type(round_) is int else None
        self._heard_s = t
        if self.order not in ("launch", "respin"):
            self._task.launch_s = None
        elif self._flight is None and self._task.launch_s is None and self._asked_anew(t):
            self._task.launch_s = t + self._delay_s()

    def _asked_anew(self, t: float) -> bool:
        """Whether the order is about a launch to come: an older cue may still be on its way."""
        if self.order == "launch":
            return self.round != self._launched_round
        return self._landed_s is None or t - self._landed_s >= max(1.0, self.patience_s / 2)

    def _delay_s(self) -> float:
        if self.order == "launch":
            return launch_delay_s(self.chance)
        return min(max(self.chance.normal(6.0, 0.8), 4.0), 9.0)

    # --- what she does, called when due -------------------------------------------------------

    def wants_launch(self, t: float) -> bool:
        """Whether the ball is to be launched now. The wheel may not be ready: then soon again."""
        if self._task.launch_s is None or t < self._task.launch_s:
            return False
        self._task.launch_s = t + 0.5
        return True

    def launched(self, flight: Flight, t: float) -> None:
        """The ball is out of her hand; she already sees what is wrong with it."""
        self._flight, self._launched_round = flight, self.round
        self._reading, self._confirms = None, 0
        self._task = _Task()
        if flight.no_spin is not None:
            seen_s = flight.removed_s if flight.removed_s is not None else 1.0
            if flight.has_number and Fault.WRONG_DIRECTION not in flight.faults:
                seen_s = flight.trajectory.read_s
            self._task.no_spin_s = t + seen_s + max(_NO_SPIN_AFTER_S, self.patience_s)

    def number_shows(self, flight: Flight, t: float) -> None:
        """The ball lies still and the wheel has called its number: she reads it herself."""
        if flight.no_spin is not None or Fault.NO_CONFIRM in flight.faults:
            return
        self._reading = self._read(flight)
        self._task.confirm_s = t + self.chance.between(0.5, 1.0)

    def landed(self, t: float) -> None:
        """The flight is over, one way or the other."""
        self._flight, self._landed_s = None, t
        self._task.no_spin_s = None

    def presses(self, t: float) -> list[str]:
        """The keypad lines that are due by ``t``."""
        lines: list[str] = []
        task = self._task
        if task.no_spin_s is not None and t >= task.no_spin_s:
            task.no_spin_s = None
            if self._flight is not None and self.order == "confirm":
                lines.append(f"NOSPIN {self._flight.no_spin}")
        if task.confirm_s is not None and t >= task.confirm_s:
            task.confirm_s = None
            lines += self._confirm(t)
        return lines

    def _confirm(self, t: float) -> list[str]:
        """Say the number; say the same again while she is still asked for it."""
        awaited = self.order == "confirm" or self._confirms == 0
        if not awaited or self.round != self._launched_round or self.order == "stopped":
            return []
        self._confirms += 1
        if self._confirms < _CONFIRMS_MAX:
            self._task.confirm_s = t + max(_ASK_AGAIN_S, self.patience_s)
        return [f"CONFIRM {self._reading}"]

    def _read(self, flight: Flight) -> int:
        """The number she sees; a misreading takes a neighbour for it, as eyes do."""
        number = flight.trajectory.number
        if Fault.MISREAD not in flight.faults and not self.chance.happens(self.misread_rate):
            return number
        side = 1 if self.chance.happens(0.5) else -1
        return POCKETS[(POCKETS.index(number) + side) % len(POCKETS)]

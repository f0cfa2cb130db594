"""One simulated table in studio time: wheel, presenter and faults, advanced event by event.

Pure of clocks and sockets: a shell asks when something is due, advances to that time and carries
what was said to the wires. A whole day can be played in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from studio.simulated.chance import Chance
from studio.simulated.faults import Fault, FaultPlan
from studio.simulated.flight import Flight
from studio.simulated.presenter import Presenter
from studio.simulated.truth import TruthBook
from studio.simulated.wheel import CADENCE_S, MODE_FREE_RUNNING, Wheel


class Channel(StrEnum):
    """Where something was said; CUT drops the wheel's connections."""

    WHEEL = "wheel"
    KEYPAD = "keypad"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes that appeared on a wire at ``at_s``."""

    channel: Channel
    content: bytes
    at_s: float


@dataclass(frozen=True, slots=True)
class TableSettings:
    """How this table behaves; see :class:`Presenter` for ``patience_s``."""

    misread_rate: float = 0.0
    fault_rates: Mapping[Fault, float] | None = None
    patience_s: float = 3.0
    mode: int = MODE_FREE_RUNNING


@dataclass(frozen=True, slots=True)
class Landed:
    """A flight that is over. ``rested``: its ball lay still, and lies there until it is taken.

    ``before`` is the one before, without its own.
    """

    flight: Flight
    launched_s: float
    at_s: float
    rested: bool
    before: Landed | None


class TableSimulation:
    """``advance`` must be called with times that never go back."""

    def __init__(self, book: TruthBook, chance: Chance, settings: TableSettings) -> None:
        self.faults = FaultPlan(settings.fault_rates or {}, chance.fork("faults"))
        self._cuts = chance.fork("cuts")
        self.wheel = Wheel(book, chance.fork("wheel"), settings.mode)
        self.wheel.on_landed = self._land
        #: The last flight that is over; who watches the table sees its ball.
        self.landed: Landed | None = None
        self.presenter = Presenter(
            chance.fork("presenter"), settings.misread_rate, settings.patience_s
        )
        self._frames = 0
        self._cut_s: float | None = None
        self._shown: Flight | None = None

    @property
    def due_s(self) -> float:
        """When :meth:`advance` next has something to say, unless a cue or a command comes first."""
        times = (self._frame_s, self.presenter.due_s, self._cut_s)
        return min(t for t in times if t is not None)

    @property
    def _frame_s(self) -> float:
        return self._frames * CADENCE_S

    def advance(self, t: float) -> list[Said]:
        """Everything that was due by ``t``, in order, each at its own time.

        A shell that comes late gets every frame it missed, as a serial port's buffer would.
        """
        said: list[Said] = []
        while (due := self.due_s) <= t:
            if self._cut_s is not None and self._cut_s <= due:
                self._cut_s = None
                said.append(Said(Channel.CUT, b"", due))
            elif self._frame_s <= due:
                said += self._frame(due)
            else:
                said += self._presenter(due)
        return said

    def hear_cue(self, cue: Mapping[str, object], t: float) -> None:
        """The controller's cue has reached the presenter's screen."""
        self.presenter.hear(cue, t)

    def command(self, line: bytes, t: float) -> bytes:
        """The wheel's reply to a command line."""
        return self.wheel.command(line, t)

    def _land(self, flight: Flight, t: float) -> None:
        at_s = t - self.wheel.launched_s
        rested = flight.has_number and at_s >= flight.trajectory.rests_s
        before = self.landed and replace(self.landed, before=None)
        self.landed = Landed(flight, self.wheel.launched_s, t, rested, before)
        self.presenter.landed(t)

    def _frame(self, t: float) -> list[Said]:
        self._frames += 1
        content = self.wheel.report(t)
        flight = self.wheel.flight
        if flight is not None and flight is not self._shown and self.wheel.state_at(t) == 5:
            self._shown = flight
            self.presenter.number_shows(flight, t)
        return [Said(Channel.WHEEL, content, t)] if content else []

    def _presenter(self, t: float) -> list[Said]:
        if self.presenter.wants_launch(t):
            self._launch(t)
        return [Said(Channel.KEYPAD, f"{line}\n".encode(), t) for line in self.presenter.presses(t)]

    def _launch(self, t: float) -> None:
        self.wheel.start(t)
        if not self.wheel.ready(t):
            return
        faults = self.faults.for_next_launch()
        flight = self.wheel.launch(t, self.presenter.round, faults)
        if flight is None:
            return
        self.presenter.launched(flight, t)
        if Fault.DISCONNECT in faults:
            self._cut_s = t + self._cuts.between(0.0, flight.trajectory.read_s)

"""A simulated European wheel that tells what it sees only in the Slingshot 2 protocol.

Driven by studio time (seconds, an argument), so that a round can be run in no time at all. Its
grammar is written out here again and shares nothing with the driver that reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from studio.simulated.chance import Chance
from studio.simulated.faults import Fault
from studio.simulated.flight import SELF_STOP_S, Flight, take_off
from studio.simulated.truth import Outcome, TruthBook

CADENCE_S: Final = 0.5
#: The wheel's modes that we know: no bare number; from the number to "before game" first.
MODE_NO_BARE_NUMBER: Final = 16
MODE_BEFORE_GAME_FIRST: Final = 1024
#: 1 + 2 + 4 + 128: runs by itself from number to number.
MODE_FREE_RUNNING: Final = 135
#: A self-test may take 5 minutes; ours takes this long.
_SELF_TEST_S: Final = 20.0
_TRUNCATION_RATE: Final = 0.15

_BEFORE, _PLACE, _CLOSED = 1, 2, 6


class Wheel:
    """One wheel with its ball, its sensor and its book of truth."""

    def __init__(self, book: TruthBook, chance: Chance, mode: int = MODE_FREE_RUNNING) -> None:
        self._book = book
        self._noise = chance.fork("noise")
        self._troubles = chance.fork("troubles")
        self.mode = mode
        self.flight: Flight | None = None
        self.launched_s = 0.0
        self._state, self._state_until_s = _BEFORE, 1.0
        self._counter = 1
        self._win: int | None = None
        self._direction = 0
        self._bare_said = False
        self._powered = True
        self._testing_until_s: float | None = None
        self._opened: Flight | None = None
        self._sealed = book.commit()
        #: Called with the flight and whether its ball rested, when a flight is over.
        self.on_landed: Callable[[Flight, float], None] = lambda flight, t: None

    def state_at(self, t: float) -> int:
        """The protocol's state at ``t``; brings the wheel up to that time."""
        self._settle(t)
        if self.flight is not None:
            return self.flight.state_at(t - self.launched_s)
        return self._state

    def ready(self, t: float) -> bool:
        """Whether a ball can be launched."""
        return self._powered and self.flight is None and self.state_at(t) == _PLACE

    def launch(self, t: float, round_: int | None, faults: frozenset[Fault]) -> Flight | None:
        """Launch the ball by hand; None where the wheel is not ready for it."""
        if not self.ready(t):
            return None
        self.flight = take_off(self._sealed, self._direction, round_, faults, self._troubles)
        self.launched_s, self._bare_said = t, False
        return self.flight

    def start(self, t: float) -> bool:
        """Wake a closed wheel."""
        if self.state_at(t) not in (_CLOSED, _BEFORE) or self.flight is not None:
            return False
        self._state, self._state_until_s = _BEFORE, t + 0.5
        return True

    # --- the wire ---------------------------------------------------------------------------

    def report(self, t: float) -> bytes:
        """What the wheel sends by itself at ``t``: a status, and a bare number once."""
        self._settle(t)
        flight, at_s = self.flight, t - self.launched_s
        if not self._powered or (flight is not None and flight.is_silent(at_s)):
            return b""
        sent = self._status(t)
        if flight is not None and flight.state_at(at_s) == 5 and not self._bare_said:
            self._bare_said = True
            if not self.mode & MODE_NO_BARE_NUMBER:
                sent = f"{flight.trajectory.number:>2}\r\n".encode() + sent
        if flight is not None and Fault.TRUNCATED_FRAMES in flight.faults:
            return self._truncated(sent)
        return sent

    def command(self, line: bytes, t: float) -> bytes:
        """The reply to one command line; unknown commands are answered ``NO``."""
        self._settle(t)
        word, _, argument = line.strip().partition(b" ")
        if not self._powered and word != b"*P":
            return b""
        if self._testing_until_s is not None and t < self._testing_until_s and word != b"*X":
            return b"BUSY\r\n"
        known = {
            b"*X": lambda: self._status(t),
            b"*K": lambda: self._started(t),
            b"*R": lambda: self._restarted(t),
            b"*F": lambda: self._self_test(t),
            b"*u": lambda: self._turn(argument, t),
            b"*P": lambda: self._power(argument, t),
            b"*o": lambda: self._set_mode(argument),
            b"*T": lambda: _answer(argument[:1].isalpha() or argument[:1].isdigit()),
        }
        return known[word]() if word in known else b"NO\r\n"

    def _status(self, t: float) -> bytes:
        state, flags, number = self._state, 0, self._win
        rpm = 20.0
        if self.flight is not None:
            at_s = t - self.launched_s
            state, flags = self.flight.state_at(at_s), self.flight.flags_at(at_s)
            rpm = abs(self.flight.trajectory.rotor.speed_at(at_s)) * 60.0 / math.tau
            if state == 5:
                number = self.flight.trajectory.number
        win = "  " if number is None else f"{number:>2}"
        return (
            f"*X;{state};{self._counter:03d};{win};{flags:X};{round(rpm * 10):03d};"
            f"{self._direction}\r\n"
        ).encode()

    def _truncated(self, sent: bytes) -> bytes:
        if not self._noise.happens(_TRUNCATION_RATE):
            return sent
        kept = sent[: self._noise.below(len(sent))]
        return kept + b"\r\n" if self._noise.happens(0.5) else kept

    # --- commands ---------------------------------------------------------------------------

    def _started(self, t: float) -> bytes:
        return b"BUSY\r\n" if self.flight is not None else _answer(self.start(t))

    def _restarted(self, t: float) -> bytes:
        """Acknowledge a void spin: the ball is handed back, the same game goes on."""
        if self.flight is None or self.flight.state_at(t - self.launched_s) not in (3, 4, 7):
            return b"NO\r\n"
        self._land(t, restart=True)
        return b"OK\r\n"

    def _self_test(self, t: float) -> bytes:
        if self.flight is not None:
            return b"BUSY\r\n"
        if self._testing_until_s is not None:
            self._testing_until_s = None
            return b"OK\r\n"
        self._testing_until_s = t + _SELF_TEST_S
        return b"BUSY\r\n"

    def _turn(self, argument: bytes, t: float) -> bytes:
        """``1`` clockwise, ``3`` counter-clockwise, between spins only."""
        if self.flight is not None:
            return b"BUSY\r\n"
        if argument not in (b"1", b"3"):
            return b"NO\r\n"
        self._direction = 0 if argument == b"1" else 1
        self.start(t)
        return b"OK\r\n"

    def _power(self, argument: bytes, t: float) -> bytes:
        if argument not in (b"0", b"1"):
            return b"NO\r\n"
        on = argument == b"1"
        if on and not self._powered:
            self._counter, self._win = 1, None
            self._state, self._state_until_s = _BEFORE, t + 1.0
        elif not on and self.flight is not None:
            self._land(t, restart=False)
        self._powered = on
        return b"OK\r\n"

    def _set_mode(self, argument: bytes) -> bytes:
        if not argument.isdigit() or len(argument) > 5:
            return b"NO\r\n"
        self.mode = int(argument)
        return b"OK\r\n"

    # --- what happens by itself -------------------------------------------------------------

    def _settle(self, t: float) -> None:
        """Let what was due by ``t`` have happened."""
        flight = self.flight
        if flight is not None and flight.state_at(t - self.launched_s) == 5:
            self._open_truth(flight, flight.trajectory.read_s)
        if self.flight is not None and t - self.launched_s >= self.flight.ends_s:
            self._land(self.launched_s + self.flight.ends_s, restart=False)
        if self.flight is None and self._state == _BEFORE and t >= self._state_until_s:
            self._state = _PLACE

    def _land(self, t: float, *, restart: bool) -> None:
        """The flight is over: open its truth, commit to the next launch, set the next state."""
        flight, self.flight = self.flight, None
        if flight is None:
            return
        at_s = t - self.launched_s
        shown = flight.has_number and at_s >= flight.trajectory.read_s
        self._open_truth(flight, at_s)
        self._sealed = self._book.commit()
        if shown:
            self._win = flight.trajectory.number
        self._state = _PLACE
        if at_s >= SELF_STOP_S and not shown:
            self._state = _CLOSED
        elif not restart:
            self._counter = self._counter % 256 + 1
            self._direction = 1 - self._direction
            if self.mode & MODE_BEFORE_GAME_FIRST:
                self._state, self._state_until_s = _BEFORE, t + 1.0
        self.on_landed(flight, t)

    def _open_truth(self, flight: Flight, at_s: float) -> None:
        """Once per flight: with its number, or at its end without one."""
        if self._opened is not flight:
            self._opened = flight
            self._book.open(flight.sealed, self._outcome(flight, at_s))

    def _outcome(self, flight: Flight, at_s: float) -> Outcome:
        rested = flight.has_number and at_s >= flight.trajectory.rests_s
        no_spin = flight.no_spin
        if no_spin is None and at_s < flight.trajectory.read_s:
            no_spin = "restarted"
        number = flight.trajectory.number
        return Outcome(
            launch=flight.sealed.launch,
            round=flight.round,
            spin=self._counter,
            direction=flight.direction,
            number=None if no_spin else number,
            no_spin=no_spin,
            rested_in=number if rested else None,
            faults=tuple(sorted(fault.value for fault in flight.faults)),
        )


def _answer(done: bool) -> bytes:  # noqa: FBT001  (the reply's meaning)
    return b"OK\r\n" if done else b"NO\r\n"

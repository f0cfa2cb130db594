"""What a round does next. Pure: the round as it stands, its spin, the time; one move out.

The whole course of a round is readable here, phase by phase. Nothing is remembered between two
calls, so a runner that was killed and one that was not come to the same move.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from tables.phases import Phase
from tables.play.evidence import Fault, Hold, Official, Policy, Source, Spin, Stop, weigh


@dataclass(frozen=True, slots=True)
class Standing:
    """The round as it stands. ``heard_at``: when the quietest device was last heard."""

    phase: Phase
    phase_at: datetime
    closes_at: datetime
    respins: int
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Timing:
    """The table's pace."""

    closing_soon: timedelta
    launch_deadline: timedelta
    spin_deadline: timedelta
    device_silence: timedelta
    respins_max: int


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing yet; look again at ``until``, or when something is seen."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Enter:
    """Go on to ``phase``."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class DiscardSpin:
    """What was seen up to position ``n`` is no spin. Bets stay valid for the respin."""

    n: int
    reason: str
    #: False when it says again what is known: machine and presenter both report one void ball.
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Declare:
    """The number is official."""

    number: int
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop the table."""

    fault: Fault
    detail: str = ""


Move = Stay | Enter | DiscardSpin | Declare | Halt


def next_move(
    standing: Standing, spin: Spin, *, timing: Timing, policy: Policy, now: datetime
) -> Move:
    """The one next move. OFFICIAL, SUSPENDED and finished rounds have none: they only stay."""
    match standing.phase:
        case Phase.OFFICIAL | Phase.SETTLED | Phase.SUSPENDED | Phase.VOIDED:
            return Stay(now + timing.device_silence)
        case _:
            pass
    if spin.fault is not None:
        return Halt(spin.fault, spin.fault_detail)
    if spin.no_spin is not None and spin.no_spin_n is not None:
        return _no_spin(standing, spin, timing)
    silent_at = standing.heard_at + timing.device_silence
    if now >= silent_at:
        return Halt(Fault.DEVICE_FAULT, "silent")
    move = _by_phase(standing, spin, timing, policy, now)
    return Stay(min(move.until, silent_at)) if isinstance(move, Stay) else move


def _by_phase(
    standing: Standing, spin: Spin, timing: Timing, policy: Policy, now: datetime
) -> Move:
    move: Move
    match standing.phase:
        case Phase.BETTING_OPEN | Phase.CLOSING_SOON:
            move = _betting(standing, spin, timing, now)
        case Phase.NO_MORE_BETS | Phase.NO_SPIN:
            launch_by = standing.phase_at + timing.launch_deadline
            move = (
                Enter(Phase.SPINNING) if spin.in_play else _until(launch_by, Fault.NO_LAUNCH, now)
            )
        case Phase.SPINNING:
            result_by = standing.phase_at + timing.spin_deadline
            move = (
                Enter(Phase.RESULT_PENDING)
                if spin.numbers
                else _until(result_by, Fault.NO_RESULT, now)
            )
        case Phase.RESULT_PENDING:
            move = _result(spin, policy, now)
        case Phase.OFFICIAL | Phase.SETTLED | Phase.SUSPENDED | Phase.VOIDED:
            move = Stay(now + timing.device_silence)
        case _:
            assert_never(standing.phase)
    return move


def _betting(standing: Standing, spin: Spin, timing: Timing, now: datetime) -> Move:
    """The platform's clock closes betting; a ball past "no more bets" is the hard backstop."""
    if spin.numbers:
        said = ", ".join(f"{source} {number}" for source, number in sorted(spin.numbers.items()))
        return Halt(Fault.RESULT_BEFORE_CLOSE, said)
    if now >= standing.closes_at or spin.past_no_more_bets:
        return Enter(Phase.NO_MORE_BETS)
    closing_at = standing.closes_at - timing.closing_soon
    if standing.phase is Phase.CLOSING_SOON:
        return Stay(standing.closes_at)
    return Enter(Phase.CLOSING_SOON) if now >= closing_at else Stay(closing_at)


def _no_spin(standing: Standing, spin: Spin, timing: Timing) -> Move:
    """A void ball. Reported again before the next launch, it is still the same one."""
    reason, n = spin.no_spin or "", spin.no_spin_n or 0
    if standing.respins and not spin.in_play:
        return DiscardSpin(n, reason, counts=False)
    if standing.respins >= timing.respins_max:
        return Halt(Fault.TOO_MANY_RESPINS, reason)
    return DiscardSpin(n, reason)


def _result(spin: Spin, policy: Policy, now: datetime) -> Move:
    match weigh(spin, policy, now):
        case Hold(until):
            return Stay(until)
        case Official(number, sources):
            return Declare(number, sources)
        case Stop(fault, detail):
            return Halt(fault, detail)


def _until(deadline: datetime, fault: Fault, now: datetime) -> Move:
    return Halt(fault) if now >= deadline else Stay(deadline)

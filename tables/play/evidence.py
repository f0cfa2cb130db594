"""Results become official by evidence. Pure: observations and a policy in, a verdict out.

The first table's policy: the wheel's own sensor and the presenter's confirmation must name the same
number. One source alone never pays; two that differ stop the table. A third machine source (the
camera) joins as one more :class:`Source`.

A spin is judged from all observations since it became possible (betting opened, or the previous
no-spin), read afresh at each step, so that a restarted runner comes to the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kernel.clock import epoch_ms
from studio.protocol.messages import Observation, ObservationKind

#: Slingshot 2 states that mean the ball is in play: in the rim, and past "no more bets".
STATE_BALL_IN_RIM: Final = 3
STATE_NO_MORE_BETS: Final = 4
BALL_IN_PLAY: Final = frozenset({STATE_BALL_IN_RIM, STATE_NO_MORE_BETS})


class Source(StrEnum):
    """Who said the number."""

    SENSOR = "sensor"
    PRESENTER = "presenter"
    #: Two people, by hand (`tables.incidents.manual_result`); never weighed here.
    MANUAL = "manual"


class Fault(StrEnum):
    """Why a table stops. Each has its procedure."""

    SOURCES_DISAGREE = "sources_disagree"
    SOURCE_MISSING = "source_missing"
    RESULT_CHANGED = "result_changed"
    RESULT_BEFORE_CLOSE = "result_before_close"
    NO_LAUNCH = "no_launch"
    NO_RESULT = "no_result"
    TOO_MANY_RESPINS = "too_many_respins"
    DEVICE_FAULT = "device_fault"
    CLOCK_SKEW = "clock_skew"
    PRESENTER_CALL = "presenter_call"
    INTERNAL_ERROR = "internal_error"
    OPERATOR = "operator"
    #: What players are shown as rules is not what the engine pays (F41).
    RULES_DIFFER = "rules_differ"


@dataclass(frozen=True, slots=True)
class Sighting:
    """An observation that passed the signature check, as the platform stored it.

    ``n`` is its gapless position at the table; ``received_at`` is the database's clock.
    """

    n: int
    observation: Observation
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Spin:
    """What is known of one spin, folded from its sightings."""

    in_play: bool = False
    past_no_more_bets: bool = False
    numbers: dict[Source, int] = field(default_factory=dict)
    first_number_at: datetime | None = None
    no_spin: str | None = None
    no_spin_n: int | None = None
    fault: Fault | None = None
    fault_detail: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What must agree, and how long one source waits for the other."""

    sources: frozenset[Source] = frozenset({Source.SENSOR, Source.PRESENTER})
    wait: timedelta = timedelta(seconds=10)
    #: Source clock against ours: above it the observation's time cannot be trusted.
    skew_max: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """Not enough yet; ask again, at the latest ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Official:
    """The number stands, and these sources say so."""

    number: int
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """The table must stop: no settlement on this evidence."""

    fault: Fault
    detail: str = ""


Verdict = Hold | Official | Stop


def fold(sightings: Iterable[Sighting], policy: Policy, *, since: datetime | None = None) -> Spin:
    """The spin as the sightings tell it, in order. A no-spin ends it; what comes later is ignored.

    What a device captured before ``since`` is of an earlier spin and does not count, even where a
    controller that was cut off delivers it only now.

    A source that names one number and then another is a fault: results never change by themselves.
    """
    spin = Spin()
    for sighting in sightings:
        if since is not None and sighting.observation.captured_at_ms < epoch_ms(since):
            continue
        spin = _with(spin, sighting, policy)
        if spin.no_spin is not None or spin.fault is not None:
            break
    return spin


def weigh(spin: Spin, policy: Policy, now: datetime) -> Verdict:
    """Whether the numbers seen make a result. Needs at least one number in ``spin``."""
    seen = set(spin.numbers.values())
    if len(seen) > 1:
        said = ", ".join(f"{source} {number}" for source, number in sorted(spin.numbers.items()))
        return Stop(Fault.SOURCES_DISAGREE, said)
    if policy.sources <= spin.numbers.keys():
        return Official(seen.pop(), tuple(sorted(spin.numbers)))
    until = (spin.first_number_at or now) + policy.wait
    if now < until:
        return Hold(until)
    missing = ", ".join(sorted(policy.sources - spin.numbers.keys()))
    return Stop(Fault.SOURCE_MISSING, missing)


def _with(spin: Spin, sighting: Sighting, policy: Policy) -> Spin:  # noqa: PLR0911  (one case each)
    """``spin`` after one more sighting."""
    seen = sighting.observation
    if _skewed(sighting, policy):
        return replace(spin, fault=Fault.CLOCK_SKEW, fault_detail=seen.device)
    match seen.kind:
        case ObservationKind.WHEEL_STATE:
            state = seen.data["state"]
            return replace(
                spin,
                in_play=spin.in_play or state in BALL_IN_PLAY,
                past_no_more_bets=spin.past_no_more_bets or state == STATE_NO_MORE_BETS,
            )
        case ObservationKind.SPIN_STARTED | ObservationKind.PRESENTER_LAUNCH:
            return replace(spin, in_play=True)
        case ObservationKind.RESULT:
            return _with_number(spin, Source.SENSOR, sighting)
        case ObservationKind.PRESENTER_CONFIRM:
            return _with_number(spin, Source.PRESENTER, sighting)
        case ObservationKind.NO_SPIN | ObservationKind.PRESENTER_NO_SPIN:
            return replace(spin, no_spin=str(seen.data["reason"]), no_spin_n=sighting.n)
        case ObservationKind.DEVICE_FAULT:
            return replace(spin, fault=Fault.DEVICE_FAULT, fault_detail=str(seen.data["code"]))
        case ObservationKind.PRESENTER_CALL:
            return replace(spin, fault=Fault.PRESENTER_CALL, fault_detail=seen.device)
        case ObservationKind.DEVICE_OK:
            return spin


def _with_number(spin: Spin, source: Source, sighting: Sighting) -> Spin:
    number = sighting.observation.data["number"]
    if type(number) is not int or not 0 <= number <= 36:
        return replace(spin, fault=Fault.DEVICE_FAULT, fault_detail=f"{source} said {number!r}")
    before = spin.numbers.get(source)
    if before is not None and before != number:
        return replace(
            spin, fault=Fault.RESULT_CHANGED, fault_detail=f"{source} {before} then {number}"
        )
    return replace(
        spin,
        in_play=True,
        numbers={**spin.numbers, source: number},
        first_number_at=spin.first_number_at or sighting.received_at,
    )


def _skewed(sighting: Sighting, policy: Policy) -> bool:
    """A capture time beyond tolerance in the future; a late arrival is the network's doing."""
    captured_ms = sighting.observation.captured_at_ms
    received_ms = round(sighting.received_at.timestamp() * 1000)
    return captured_ms - received_ms > policy.skew_max // timedelta(milliseconds=1)

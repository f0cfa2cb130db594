"""What the camera sees at an instant of studio time: the director's choice of view, the gesture,
the lamp, the rotor and the ball. Pure: everything follows from the simulation's state and the time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from studio.simulated.camera.optics import Profile
from studio.simulated.faults import Fault
from studio.simulated.flight import Flight
from studio.simulated.table import Landed, TableSimulation
from studio.simulated.trajectory import POCKET_ANGLE, POCKET_MM, Leg, Trajectory

#: From a launch on, the presenter's hand turns the rotor into its new motion for this long; the
#: ball is then still fast in its track, and the sensor has not said anything of either.
HAND_S: Final = 4.0
#: Before the first launch of all the rotor turns at about 12 rpm.
_IDLE_RADS: Final = -1.25
#: After "no more bets" her palm is seen before the cut to the wheel.
_CUT_NEAR_S: Final = 1.2
_CUT_CLOSE_S: Final = 0.4
#: The close view stays this long after the wheel has left its number.
_CUT_WIDE_S: Final = 2.0
#: The ball is taken out of its pocket this long before the launch.
_TAKEN_S: Final = 3.0
_GESTURE_S: Final = 0.6
#: A ball between two separators: its middle may be 0.23 pockets off theirs (ball 19 mm, separator
#: 2.2 mm, pocket 38 mm); the trajectory lets it lie up to 0.32 off.
_LIES_IN: Final = 0.72
#: Separators stand this high over the floor: a hop that crosses one clears it.
_CLEARS_MM: Final = 13.0


class View(StrEnum):
    """Where the camera stands."""

    WIDE = "wide"
    NEAR = "near"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Spot:
    """The ball's middle, mm, and the angle and radius that it came from."""

    angle_rad: float
    radius_mm: float
    height_mm: float
    #: Height over what it would touch.
    lift_mm: float
    #: It lies: its angle goes with the rotor's picture, ``angle_rad`` less the rotor's.
    on_rotor_rad: float | None = None


@dataclass(frozen=True, slots=True)
class Gesture:
    """How far the presenter is from idle (0) into a gesture (1)."""

    name: str
    part: float


IDLE: Final = Gesture("sway", 0.0)


@dataclass(frozen=True, slots=True)
class Sight:
    """One instant. ``trail`` is the ball's way since the shutter opened, oldest first."""

    view: View
    rotor_rad: float
    trail: tuple[Spot, ...]
    gesture: Gesture
    lamp: bool


def look(simulation: TableSimulation, t: float, profile: Profile, shutter_s: float) -> Sight:
    """What is to be seen at ``t`` with the shutter open for ``shutter_s`` before it."""
    flight, landed = simulation.wheel.flight, simulation.landed
    if flight is not None:
        at_s = t - simulation.wheel.launched_s
        trail = _trail(flight, at_s, profile, shutter_s)
        return Sight(
            view=_view(flight, at_s),
            rotor_rad=_handed(flight, simulation.wheel.launched_s, landed, at_s),
            trail=trail,
            gesture=_in_flight(flight, at_s, t),
            lamp=simulation.presenter.order == "launch" and flight.state_at(at_s) < 4,
        )
    planned = simulation.presenter.launches_s
    return Sight(
        view=_view_after(landed, t),
        rotor_rad=_coasting(landed, t),
        trail=_lying(landed, t, planned, profile),
        gesture=_between(landed, t, planned),
        lamp=simulation.presenter.order == "launch",
    )


# --- the director ---------------------------------------------------------------------------------


def _view(flight: Flight, at_s: float) -> View:
    way = flight.trajectory
    if Fault.NO_BALL in flight.faults or at_s < way.no_more_bets_s + _CUT_NEAR_S:
        return View.WIDE
    if flight.has_number and at_s >= way.rests_s + _CUT_CLOSE_S:
        return View.CLOSE
    return View.NEAR


def _view_after(landed: Landed | None, t: float) -> View:
    if landed is not None and landed.rested and t < landed.at_s + _CUT_WIDE_S:
        return View.CLOSE
    return View.WIDE


def _in_flight(flight: Flight, at_s: float, t: float) -> Gesture:
    way = flight.trajectory
    if at_s < 0.5 + _GESTURE_S:
        return Gesture("launch", _held(at_s, -1.0, 0.5))
    if Fault.NO_BALL not in flight.faults:
        part = _held(at_s, way.no_more_bets_s, way.no_more_bets_s + 1.8)
        if part > 0:
            return Gesture("close", part)
    return _swaying(t)


def _between(landed: Landed | None, t: float, planned: float | None) -> Gesture:
    if landed is not None and landed.rested:
        part = _held(t, landed.at_s + _CUT_WIDE_S - 0.3, landed.at_s + _CUT_WIDE_S + 2.0)
        if part > 0:
            return Gesture("announce", part)
    if planned is not None:
        before = t - planned
        if before > -_GESTURE_S - 0.2:
            return Gesture("launch", _held(before, -_GESTURE_S - 0.2, 60.0))
        part = _held(before, -_TAKEN_S - 0.3, -_TAKEN_S + 0.5)
        if landed is not None and landed.rested and part > 0:
            return Gesture("take", part)
    return _swaying(t)


def _held(t: float, begins: float, ends: float) -> float:
    """0 to 1 from ``begins - gesture`` to ``begins``, 1 until ``ends``, then back, eased."""
    part = min((t - begins) / _GESTURE_S + 1.0, 1.0 - (t - ends) / _GESTURE_S, 1.0)
    part = max(part, 0.0)
    return part * part * (3.0 - 2.0 * part)


def _swaying(t: float) -> Gesture:
    """Nobody stands quite still: once to and fro in seven seconds."""
    return Gesture("sway", 0.5 - 0.5 * math.cos(t * math.tau / 7.0))


# --- rotor ----------------------------------------------------------------------------------------


def _coasting(landed: Landed | None, t: float) -> float:
    """The rotor runs on as it ran in the last flight."""
    if landed is None:
        return _IDLE_RADS * t
    return _handed(landed.flight, landed.launched_s, landed.before, t - landed.launched_s)


def _handed(flight: Flight, launched_s: float, before: Landed | None, at_s: float) -> float:
    """The trajectory's angle, with what is left of the difference to how the rotor ran before."""
    rotor = flight.trajectory.rotor
    if at_s >= HAND_S:
        return rotor.angle_at(at_s)
    was = _settled(before, launched_s)
    speed = _settled(before, launched_s + 0.01) - was
    drift = (speed / 0.01 - rotor.speed_rads) * HAND_S
    # Of all equal differences the one whose motion is smoothest: the drift carries it half-way.
    offset = math.remainder(was - rotor.phase_rad + drift / 2, math.tau) - drift / 2
    part = at_s / HAND_S
    hermite = (2 * part**3 - 3 * part**2 + 1) * offset + (part**3 - 2 * part**2 + part) * drift
    return rotor.angle_at(at_s) + hermite


def _settled(before: Landed | None, t: float) -> float:
    """The rotor's angle between flights, when no hand is at it."""
    if before is None:
        return _IDLE_RADS * t
    return before.flight.trajectory.rotor.angle_at(t - before.launched_s)


# --- ball -----------------------------------------------------------------------------------------


def _trail(flight: Flight, at_s: float, profile: Profile, shutter_s: float) -> tuple[Spot, ...]:
    gone = flight.removed_s is not None and at_s >= flight.removed_s
    if gone or Fault.NO_BALL in flight.faults:
        return ()
    way = flight.trajectory
    if at_s >= way.rests_s:
        return (spot_at(way, at_s, profile),)
    return tuple(
        spot_at(way, max(at_s - shutter_s * (1.0 - step / 8), 0.0), profile) for step in range(9)
    )


def _lying(
    landed: Landed | None, t: float, planned: float | None, profile: Profile
) -> tuple[Spot, ...]:
    """The last ball, until it is taken for the next launch."""
    if landed is None or not landed.rested or (planned is not None and t > planned - _TAKEN_S):
        return ()
    return (spot_at(landed.flight.trajectory, t - landed.launched_s, profile),)


def spot_at(way: Trajectory, at_s: float, profile: Profile) -> Spot:
    """The ball in three dimensions. Its lift is ours; angle and radius are the trajectory's, but
    for the last centimetre in the pocket, where it is kept off the separators."""
    place = way.ball_at(at_s)
    angle, lift, turned = place.angle_rad, 0.0, None
    base_mm = place.radius_mm
    if at_s >= way.rests_s:
        turned = _drawn_in(way.rest_rad, 1.0)
        angle = way.rotor_at(at_s) + turned
    elif at_s > way.leaves_rim_s:
        leg = way.legs[bisect_right(way.legs, at_s, key=lambda leg: leg.starts_s) - 1]
        part = min((at_s - leg.starts_s) / leg.lasts_s, 1.0)
        lift, base_mm = _lift(leg, part)
        if leg is way.legs[-1]:
            rotor = way.rotor_at(at_s)
            angle = rotor + _drawn_in(place.angle_rad - rotor, part)
    ball = profile.ball_mm
    floor = profile.floor_mm if base_mm <= POCKET_MM + 4.0 else profile.height_at(base_mm)
    return Spot(angle, place.radius_mm, floor + ball + lift, lift, turned)


def _lift(leg: Leg, part: float) -> tuple[float, float]:
    """Height of a hop, and the radius below it. On the apron it hardly leaves the wood."""
    arc = 4.0 * part * (1.0 - part)
    base = leg.radius_mm[0] + (leg.radius_mm[1] - leg.radius_mm[0]) * part
    if not leg.on_rotor:
        return leg.hop_mm * arc, base
    clears = _CLEARS_MM if leg.hop_mm else 0.0
    return leg.hop_mm * arc + clears * math.sqrt(arc), base


def _drawn_in(on_rotor_rad: float, part: float) -> float:
    """The angle from pocket zero, drawn towards the middle of its pocket."""
    middle = round(on_rotor_rad / POCKET_ANGLE) * POCKET_ANGLE
    return middle + (on_rotor_rad - middle) * (1.0 - (1.0 - _LIES_IN) * part)

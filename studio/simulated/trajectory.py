"""One spin's physics as a pure object: where rotor and ball are at any second after the launch.

The ball runs round the rim, slowed by rolling and by air; it falls when it is too slow to stay
up, meets a deflector, hops over the turning rotor and comes to rest in a pocket. Which pocket is
nobody's choice: it follows from the launch and the rotor's phase. Angles are radians, counter
clockwise positive, seen from above; seconds count from the launch by hand.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from studio.simulated.chance import Chance

#: The pockets of a European wheel, clockwise from zero (the same on every single-zero wheel).
POCKETS: Final = (
    0, 32, 15, 19, 4, 21, 2, 25, 17, 34, 6, 27, 13, 36, 11, 30, 8, 23, 10,
    5, 24, 16, 33, 1, 20, 14, 31, 9, 22, 18, 29, 7, 28, 12, 35, 3, 26,
)  # fmt: skip
POCKET_ANGLE: Final = math.tau / len(POCKETS)

# A 32-inch wheel: its ball track, the ring of deflectors, the rotor's edge, the pockets.
TRACK_MM: Final = 385.0
DEFLECTOR_MM: Final = 330.0
ROTOR_EDGE_MM: Final = 265.0
POCKET_MM: Final = 225.0

#: The wheel says "no more bets" when a revolution takes 1.43 s (its factory setting 2920/2048).
NO_MORE_BETS_RADS: Final = math.tau * 2048 / 2920
#: The sensor needs about this long in the rim before it reports the ball.
_DETECTION_S: Final = 1.5
#: The number is reported after the ball lay still for two turns of the rotor.
_READING_TURNS: Final = 2.0
#: How the rotor loses speed: real ones fell from about 19 to 15 rpm within a spin.
_ROTOR_DECAY_S: Final = 160.0
#: Bounds of state 4 in 185 real spins (p5 24, longest 32): a fair simulated spin lies within.
_SETTLING_S: Final = (23.0, 32.0)


@dataclass(frozen=True, slots=True)
class Rotor:
    """A coasting rotor: phase of pocket zero at the launch, and speed then (signed)."""

    phase_rad: float
    speed_rads: float

    def angle_at(self, t: float) -> float:
        return self.phase_rad + self.speed_rads * _ROTOR_DECAY_S * (
            1.0 - math.exp(-t / _ROTOR_DECAY_S)
        )

    def speed_at(self, t: float) -> float:
        return self.speed_rads * math.exp(-t / _ROTOR_DECAY_S)


@dataclass(frozen=True, slots=True)
class Rim:
    """The ball in its track: dω/dt = -(rolling + air·ω²), solved in closed form."""

    speed_rads: float
    rolling: float
    air: float

    def _phase(self, speed: float) -> float:
        return math.atan(speed * math.sqrt(self.air / self.rolling))

    def seconds_to(self, speed: float) -> float:
        """When the ball has slowed down to ``speed``."""
        fall = self._phase(self.speed_rads) - self._phase(speed)
        return fall / math.sqrt(self.rolling * self.air)

    def speed_at(self, t: float) -> float:
        rate = math.sqrt(self.rolling * self.air)
        return math.sqrt(self.rolling / self.air) * math.tan(
            self._phase(self.speed_rads) - rate * t
        )

    def angle_at(self, t: float) -> float:
        """Radians run since the launch."""
        start = self._phase(self.speed_rads)
        now = start - math.sqrt(self.rolling * self.air) * t
        return math.log(math.cos(now) / math.cos(start)) / self.air


@dataclass(frozen=True, slots=True)
class Leg:
    """A piece of the ball's way below the rim: linear in speed, radius from one to the other.

    ``on_rotor``: the angle is counted from pocket zero and turns with it. ``hop_mm`` lifts the
    radius in an arc, as a ball that bounces outward over the separators.
    """

    starts_s: float
    lasts_s: float
    on_rotor: bool
    angle_rad: float
    turns_rad: float
    bend_rad: float
    radius_mm: tuple[float, float]
    hop_mm: float = 0.0

    def place_at(self, t: float) -> tuple[float, float]:
        """Angle and radius at ``t``, within the leg's time."""
        part = min(max((t - self.starts_s) / self.lasts_s, 0.0), 1.0)
        arc = 4.0 * part * (1.0 - part)
        inner = self.radius_mm[0] + (self.radius_mm[1] - self.radius_mm[0]) * part
        angle = self.angle_rad + self.turns_rad * part + self.bend_rad * arc
        return angle, inner + self.hop_mm * arc


@dataclass(frozen=True, slots=True)
class BallPlace:
    """Where the ball is: angle in the room, distance from the centre, and whether it lies."""

    angle_rad: float
    radius_mm: float
    at_rest: bool


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One spin from launch to reading. Everything about it follows from its seed."""

    rotor: Rotor
    rim: Rim
    ball_sign: int
    start_rad: float
    legs: tuple[Leg, ...]
    rest_rad: float
    detected_s: float
    no_more_bets_s: float
    leaves_rim_s: float
    rests_s: float
    read_s: float

    @property
    def pocket(self) -> int:
        """The index in :data:`POCKETS` of the pocket in which the ball rests."""
        # Pockets run clockwise, angles counter-clockwise.
        return round(-self.rest_rad / POCKET_ANGLE) % len(POCKETS)

    @property
    def number(self) -> int:
        return POCKETS[self.pocket]

    @property
    def revolutions(self) -> float:
        """Turns of the ball in the rim before it fell."""
        return self.rim.angle_at(self.leaves_rim_s) / math.tau

    def rotor_at(self, t: float) -> float:
        """The angle of pocket zero in the room."""
        return self.rotor.angle_at(t)

    def ball_at(self, t: float) -> BallPlace:
        """The ball's place ``t`` seconds after the launch (before it: at the hand)."""
        if t <= self.leaves_rim_s:
            run = self.rim.angle_at(max(t, 0.0))
            return BallPlace(self.start_rad + self.ball_sign * run, TRACK_MM, at_rest=False)
        if t >= self.rests_s:
            return BallPlace(self.rotor.angle_at(t) + self.rest_rad, POCKET_MM, at_rest=True)
        leg = self.legs[bisect_right(self.legs, t, key=lambda leg: leg.starts_s) - 1]
        angle, radius = leg.place_at(t)
        turned = self.rotor.angle_at(t) if leg.on_rotor else 0.0
        return BallPlace(turned + angle, radius, at_rest=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """How the ball is sent off. ``direction`` is the rotor's: 0 clockwise, 1 counter-clockwise."""

    direction: int
    weak: bool = False
    same_direction: bool = False


def simulate(seed: bytes, launch: Launch) -> Trajectory:
    """The spin that ``seed`` gives: pure, the same on every machine and every day.

    A fair launch whose settling time no real spin showed (under 23 s, over 32 s) is drawn again.
    A weak one leaves the rim before its fourth revolution.
    """
    chance = Chance(seed)
    while True:
        trajectory = _once(chance, launch)
        settling = trajectory.read_s - trajectory.no_more_bets_s
        if launch.weak or _SETTLING_S[0] <= settling <= _SETTLING_S[1]:
            return trajectory


def _once(chance: Chance, launch: Launch) -> Trajectory:
    sign = -1 if launch.direction == 0 else 1
    rpm = chance.between(17.6, 19.9)
    rotor = Rotor(chance.unit() * math.tau, sign * rpm * math.tau / 60.0)
    ball_sign = sign if launch.same_direction else -sign
    rim, detected, leaves = _rim(chance, weak=launch.weak)
    start = chance.unit() * math.tau
    legs = _fall(chance, rim, leaves, start, ball_sign)
    legs += _hops(chance, rotor, legs[-1], weak=launch.weak)
    rests = legs[-1].starts_s + legs[-1].lasts_s
    turn = math.tau / abs(rotor.speed_at(rests))
    return Trajectory(
        rotor=rotor,
        rim=rim,
        ball_sign=ball_sign,
        start_rad=start,
        legs=tuple(legs),
        rest_rad=legs[-1].angle_rad + legs[-1].turns_rad,
        detected_s=detected,
        no_more_bets_s=rim.seconds_to(NO_MORE_BETS_RADS),
        leaves_rim_s=leaves,
        rests_s=rests,
        read_s=rests + _READING_TURNS * turn,
    )


def _rim(chance: Chance, *, weak: bool) -> tuple[Rim, float, float]:
    """The ball's run in the track, when the sensor has seen it, and when it falls."""
    air = 0.0190 * chance.normal(1.0, 0.02)
    rolling = 0.0140 * chance.normal(1.0, 0.05)
    if weak:
        rim = Rim(chance.between(6.05, 6.25), rolling, air)
        return rim, 0.9, rim.seconds_to(chance.between(4.0, 4.25))
    # The hand's variation is in how long the ball stays fast, about 5.5 s until "no more bets".
    speed = _speed_for(max(chance.normal(5.5, 0.6), 4.6), rolling, air)
    rim = Rim(speed, rolling, air)
    detected = _DETECTION_S + chance.between(-0.1, 0.1)
    return rim, detected, rim.seconds_to(chance.normal(1.825, 0.125))


def _speed_for(seconds: float, rolling: float, air: float) -> float:
    """The launch speed from which the ball slows to "no more bets" in ``seconds``."""
    ratio = math.sqrt(air / rolling)
    phase = math.atan(NO_MORE_BETS_RADS * ratio) + seconds * math.sqrt(rolling * air)
    return math.tan(phase) / ratio


def _fall(chance: Chance, rim: Rim, leaves: float, start: float, ball_sign: int) -> list[Leg]:
    """From the rim to a deflector and on to the rotor's edge, in the room's angles."""
    speed = ball_sign * rim.speed_at(leaves)
    angle = start + ball_sign * rim.angle_at(leaves)
    down = chance.between(0.45, 0.65)
    first = Leg(leaves, down, False, angle, speed * down, 0.0, (TRACK_MM, DEFLECTOR_MM))
    # A deflector struck fully nearly stops the ball; one missed lets it go on.
    kept = chance.between(0.15, 0.95)
    across = chance.between(0.25, 0.45)
    second = Leg(
        starts_s=leaves + down,
        lasts_s=across,
        on_rotor=False,
        angle_rad=angle + speed * down,
        turns_rad=speed * kept * across,
        bend_rad=0.0,
        radius_mm=(DEFLECTOR_MM, ROTOR_EDGE_MM),
        hop_mm=chance.between(0.0, 12.0),
    )
    return [first, second]


def _hops(chance: Chance, rotor: Rotor, last: Leg, *, weak: bool) -> list[Leg]:
    """Bounces over the pockets in the rotor's angles, each shorter, until one holds the ball."""
    t = last.starts_s + last.lasts_s
    angle = last.angle_rad + last.turns_rad - rotor.angle_at(t)
    radius = ROTOR_EDGE_MM
    # Relative to the rotor the ball runs backwards: it keeps a little of its own way.
    slip = -math.copysign(chance.between(2.0, 4.5), rotor.speed_rads)
    legs: list[Leg] = []
    for index in range(2 if weak else 3 + chance.below(4)):
        lasts = chance.between(0.30, 0.75) * 0.93**index
        turned = slip * lasts
        legs.append(
            Leg(t, lasts, True, angle, turned, 0.0, (radius, POCKET_MM), chance.between(8, 40))
        )
        t, angle, radius = t + lasts, angle + turned, POCKET_MM
        slip *= chance.between(-0.25, 0.7)
    pocket = round(angle / POCKET_ANGLE) * POCKET_ANGLE
    # The ball lies up to 0.32 of a pocket off its middle.
    lies = pocket + (angle - pocket) * 0.64
    rattle = chance.between(0.5, 0.9)
    legs.append(
        Leg(t, rattle, True, angle, lies - angle, POCKET_ANGLE * 0.1, (POCKET_MM, POCKET_MM))
    )
    return legs

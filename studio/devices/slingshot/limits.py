"""The driver's time limits, in milliseconds of studio time, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The wheel reports by itself every 500 ms; in 17,649 frames of a real studio p50 was 496 to 505.
CADENCE_MS: Final = 500
#: A speeded-up demonstration shares its computer; a stall this long is no device fault there.
_STALL_MS: Final = 250


@dataclass(frozen=True, slots=True)
class Limits:
    """What the rules compare with. ``silence_ms`` is real time, all others studio time.

    At normal speed (``time_scale`` 1) studio time is the time at which bytes were read. A
    demonstration runs up to 100 times faster, where a stall of 25 ms would be 2.5 s of studio time;
    there studio time is counted in status frames of 500 ms (``counted``), which the wheel sends
    whole however late we read them.
    """

    counted: bool = False
    #: Three missed frames: the integrity table's limit for serial silence.
    silence_ms: int = 1500
    #: The protocol: the launch-failed flag means nothing for the first 3 s in the rim.
    launch_flag_ignored_ms: int = 3000
    #: The protocol: a ball not seen is void after 5 s without it.
    ball_unseen_ms: int = 5000
    #: The integrity table: a ball that leaves state 3 sooner was not launched well. Real: 4.0 s.
    rim_ms_min: int = 1500
    #: State 4 begins when a revolution of the ball takes 1.43 s (the wheel's factory setting) and
    #: ends when the number was read, about two turns of the rotor (8 s) after the ball rests. A
    #: ball that settles before its fourth revolution, the usual minimum for a valid spin, is at
    #: rest about 4 s into state 4 and read by about 12 s; 185 fair spins took 24 to 32 s (p5, max).
    #: 15 s divides them, and is the integrity table's limit.
    settling_ms_min: int = 15_000
    #: The integrity table's upper limit; the longest of 185 fair spins took 32 s.
    settling_ms_max: int = 45_000

    @classmethod
    def at(cls, time_scale: float) -> Limits:
        """Limits where one second of studio time takes ``time_scale`` seconds (1 = real)."""
        if time_scale >= 1:
            return cls(silence_ms=round(1500 * time_scale))
        return cls(counted=True, silence_ms=round(1500 * time_scale) + _STALL_MS)

"""The renditions that a table is encoded to. Pure: what each rung is, not how it is made.

Bit rates follow Apple's HLS authoring specification for H.264 at these heights, lowered by a
quarter: a wheel and a still room move less than the sports it is written for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: More rungs than this cost more to encode than a viewer can see.
RUNGS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Rung:
    """One rendition of a table's picture. ``name`` stands in addresses and on disk."""

    name: str
    height: int
    frames_per_second: int
    rate_kbps: int

    @property
    def buffer_kbits(self) -> int:
        """Half a second: a key frame each second fits, and no segment strays far from its rate."""
        return self.rate_kbps // 2

    @property
    def average_bps(self) -> int:
        """What the rate control aims at over a long time, with a tenth for the container."""
        return self.rate_kbps * 1100

    @property
    def bandwidth_bps(self) -> int:
        """Upper bound of a one-second segment's bit rate, for EXT-X-STREAM-INF.

        The rate control lets a segment take its rate plus the buffer, hence a half more.
        """
        return self.rate_kbps * 1000 * 3 // 2 * 11 // 10


Ladder = tuple[Rung, ...]

#: For a table with a camera. The first is where players start (RFC 8216bis §4.4.6.2), and the one
#: that the archive keeps: good enough to read the number, a quarter of the bytes.
FULL: Final[Ladder] = (
    Rung("360p", 360, 30, 800),
    Rung("240p", 240, 30, 400),
    Rung("540p", 540, 30, 1600),
)

#: For a table that has to show that it is alive, and no more.
TINY: Final[Ladder] = (Rung("240p", 240, 5, 120),)

#: For the picture card, which is 180 lines high.
CARD: Final[Ladder] = (Rung("180p", 180, 5, 120),)

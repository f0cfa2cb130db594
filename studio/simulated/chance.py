"""The simulated studio's only source of chance: a SHA-256 counter stream from a seed.

Seeded, it replays exactly on any Python version; without a seed it begins from system entropy.
Never import this from the platform: outcomes come from devices.
"""

from __future__ import annotations

import hashlib
import math
import os
from typing import Final

SEED_BYTES: Final = 32
_MANTISSA: Final = 1 << 53


class Chance:
    """Draws from ``seed``. Independent streams come from :meth:`fork`, never from sharing one."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    @classmethod
    def from_setting(cls, seed: str | int | None) -> Chance:
        """From a configured seed; None takes system entropy."""
        if seed is None:
            return cls(os.urandom(SEED_BYTES))
        return cls(hashlib.sha256(f"seed:{seed}".encode()).digest())

    def fork(self, label: str) -> Chance:
        """A stream of its own for ``label``: its draws do not move this one's."""
        return Chance(hashlib.sha256(self._seed + b"/" + label.encode()).digest())

    def bytes(self) -> bytes:
        """The next 32 bytes."""
        self._count += 1
        return hashlib.sha256(self._seed + self._count.to_bytes(8)).digest()

    def unit(self) -> float:
        """Uniform in [0, 1), 53 bits."""
        return (int.from_bytes(self.bytes()[:8]) >> 11) / _MANTISSA

    def below(self, count: int) -> int:
        """Uniform in 0..count-1; 64 bits, so the bias for our small counts is below 2**-57."""
        return int.from_bytes(self.bytes()[:8]) % count

    def between(self, low: float, high: float) -> float:
        """Uniform between ``low`` and ``high``."""
        return low + (high - low) * self.unit()

    def normal(self, mean: float, deviation: float) -> float:
        """Normal by Box and Muller's transform."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        return mean + deviation * radius * math.cos(math.tau * self.unit())

    def happens(self, rate: float) -> bool:
        """True with probability ``rate``."""
        return self.unit() < rate

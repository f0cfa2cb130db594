"""Seals that somebody kept, as what the seals of a pack are held against.

A house could seal a changed row anew and prove it by a seal that it showed to nobody else. Whoever
kept the house's seals (`verify fetch`, a witness, a backup) sees that this seal is not that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify import kept
from verify.findings import Code, Finding


class Anchors:
    """Kept seals by source and number. ``Unusable`` and ``Spoiled`` as `verify.kept` says."""

    def __init__(self, places: Sequence[Path], keys: dict[str, Ed25519PublicKey]) -> None:
        self._lines: dict[tuple[str, int], bytes] = {}
        self.are_given = bool(places)
        #: Seals of the pack that were found among the kept ones.
        self.met: set[tuple[str, int]] = set()
        self.not_met: set[tuple[str, int]] = set()
        for place in places:
            for source, path in kept.files(place).items():
                for one in kept.read(path, source, keys, str(path)):
                    self._lines[source, one.number] = hashlib.sha256(one.line).digest()

    def check(self, source: str, number: int, line: bytes) -> Finding | None:
        """A finding where the kept seal of that number is another one."""
        known = self._lines.get((source, number))
        if known is None:
            self.not_met.add((source, number))
            return None
        self.met.add((source, number))
        if known == hashlib.sha256(line).digest():
            return None
        detail = "the kept copy of this seal differs"
        return Finding(source, Code.ANCHOR_DIFFERS, detail, seal=number)

"""The Merkle root, computed from the bottom up: a second implementation, on purpose.

The platform computes it by splitting from the top (RFC 6962 §2.1). Pairing neighbours level by
level and promoting a lone last node gives the same tree.
"""

from __future__ import annotations

import hashlib


def leaf_hash(data: bytes) -> str:
    """SHA-256 of 0x00 and the row, in hex."""
    return hashlib.sha256(b"\x00" + data).hexdigest()


def root(leaves: list[str]) -> str:
    """The root over leaf hashes (hex, at least one), in hex."""
    level = [bytes.fromhex(leaf) for leaf in leaves]
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest()
            for i in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0].hex()

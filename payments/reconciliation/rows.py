"""How a row of a file is named in the ledger, and read there again. Pure."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

#: What our own bookings refer to, before the name of the row.
REF: Final = "psp-row:"
#: Half of a SHA-256 names a file among ours.
FILE_CHARS: Final = 32
BATCH: Final = "batch:"


def row_name(sha256: str, row_no: int) -> str:
    """A row of a file."""
    return f"{sha256[:FILE_CHARS]}:{row_no}"


def batch_name(payout_id: str) -> str:
    """A payout that only its rows name; ledger references are plain ASCII of some length."""
    if payout_id.isascii() and payout_id.isprintable() and len(payout_id) <= 100:
        return f"{BATCH}{payout_id}"
    return f"{BATCH}sha256-{hashlib.sha256(payout_id.encode()).hexdigest()}"


def row_ref(name: str) -> str:
    """What a transfer for it refers to."""
    return f"{REF}{name}"


def row_uuid(provider: str, name: str) -> UUID:
    """One number for a provider's row: version 8, of its digest (RFC 9562 §5.8)."""
    value = int.from_bytes(hashlib.sha256(f"{provider}\x1f{name}".encode()).digest()[:16])
    value = value & ~(0xF << 76) | 0x8 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)

"""Webhook signatures: HMAC-SHA256 over the time and the raw bytes, with a key id. Pure.

Header ``t=<unix seconds>,k=<key id>,v1=<hex>``; the signed text is ``<t>.`` followed by the body as
it came. Checked before anything is parsed.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import Final

#: Age, either way, beyond which a signed message is refused: 300 s as card providers do.
TOLERANCE_S: Final = 300
KEY_ID: Final = "1"


class SignatureFault(StrEnum):
    """Why a signature did not count."""

    MALFORMED = "malformed"
    TOO_OLD = "too_old"
    UNKNOWN_KEY = "unknown_key"
    WRONG = "wrong"


def sign(body: bytes, secret: str, at_s: int, key_id: str = KEY_ID) -> str:
    """The header for ``body`` sent at ``at_s`` (Unix seconds)."""
    return f"t={at_s},k={key_id},v1={_mac(body, secret, at_s)}"


def check(body: bytes, header: str, secrets: dict[str, str], now_s: int) -> SignatureFault | None:
    """None when ``header`` signs ``body`` under one of ``secrets`` (by key id) and is fresh."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    sent_at, key_id, given = parts.get("t", ""), parts.get("k", ""), parts.get("v1", "")
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 13 and given.isascii()):
        return SignatureFault.MALFORMED
    if abs(now_s - int(sent_at)) > TOLERANCE_S:
        return SignatureFault.TOO_OLD
    if key_id not in secrets:
        return SignatureFault.UNKNOWN_KEY
    if not hmac.compare_digest(_mac(body, secrets[key_id], int(sent_at)), given):
        return SignatureFault.WRONG
    return None


def api_key(secret: str) -> str:
    """The bearer token for the simulated provider's API, derived from the one shared secret."""
    return hmac.new(secret.encode(), b"api", hashlib.sha256).hexdigest()


def _mac(body: bytes, secret: str, at_s: int) -> str:
    return hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()

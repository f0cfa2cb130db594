"""A device's sign of life: signed by its own key, so that nobody else can keep it looking alive.

A heartbeat is no observation: it has no place in the table's record and is not stored. It counts
once (a later one must be newer) and only near the receiver's clock, so replaying an old one does
nothing. The receiver judges both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from studio.protocol.messages import INTEGER_MAX, VERSION, Malformed, is_name
from studio.protocol.signatures import Signed, sign_bytes, verified_bytes

_PURPOSE: Final = b"faro studio heartbeat v1\n"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """``device`` of ``table`` was connected at ``at_ms`` (ms since 1970, the studio's clock)."""

    device: str
    table: str
    at_ms: int


def sign_heartbeat(heartbeat: Heartbeat, private_b64: str, key_id: str) -> Signed:
    """``heartbeat`` signed; raises :class:`Malformed` for one that no receiver would accept."""
    return sign_bytes(_PURPOSE, _encode(heartbeat), private_b64, key_id)


def verify_heartbeat(signed: Signed, public_b64: str) -> Heartbeat:
    """The heartbeat in ``signed``. Raises ``BadSignature`` or :class:`Malformed`."""
    payload = verified_bytes(_PURPOSE, signed, public_b64)
    try:
        value = json.loads(payload.decode("ascii"))
    except (ValueError, RecursionError):
        raise Malformed("not ASCII JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    device, table, at_ms = value.get("device"), value.get("table"), value.get("at")
    if not (isinstance(device, str) and isinstance(table, str) and type(at_ms) is int):
        raise Malformed("a heartbeat has device, table and at")
    heartbeat = Heartbeat(device, table, at_ms)
    if _encode(heartbeat) != payload:
        raise Malformed("not in canonical form")
    return heartbeat


def _encode(heartbeat: Heartbeat) -> bytes:
    if not (is_name(heartbeat.device) and is_name(heartbeat.table)):
        raise Malformed("device or table is not a name")
    if not 0 <= heartbeat.at_ms <= INTEGER_MAX:
        raise Malformed("time out of range")
    value = {
        "at": heartbeat.at_ms,
        "device": heartbeat.device,
        "table": heartbeat.table,
        "v": VERSION,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")

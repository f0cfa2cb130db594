"""What a device in the studio can say, in one canonical form of bytes that can be signed.

Owns the closed set of observations and their limits. Knows nothing of rounds, players or money.
Standard library only, so that an outside verifier can read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: The largest payload that is read. The longest legal one is about 350 bytes; the rest is room.
PAYLOAD_BYTES_MAX: Final = 4096
#: JSON numbers are exact up to here everywhere (RFC 8259 §6), also in a browser's console.
INTEGER_MAX: Final = 2**53 - 1

VERSION: Final = 1

_NAME = re.compile(r"[a-z0-9][a-z0-9._:-]{0,63}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)

Value = int | str | bool | None


class Malformed(Exception):
    """The bytes are not a canonical message of this protocol. The text says why, for the log."""


class ObservationKind(StrEnum):
    """Everything that a device can report; anything else is refused."""

    WHEEL_STATE = "wheel_state"
    SPIN_STARTED = "spin_started"
    RESULT = "result"
    NO_SPIN = "no_spin"
    DEVICE_FAULT = "device_fault"
    DEVICE_OK = "device_ok"
    PRESENTER_LAUNCH = "presenter_launch"
    PRESENTER_CONFIRM = "presenter_confirm"
    PRESENTER_NO_SPIN = "presenter_no_spin"
    PRESENTER_CALL = "presenter_call"


class NoSpinReason(StrEnum):
    """Why a launched ball counts for nothing: bets stay valid and the ball is launched again.

    A receiver accepts any lower-case word, so that a newer driver's reason still voids a spin.
    """

    WRONG_DIRECTION = "wrong_direction"
    TOO_FEW_REVOLUTIONS = "too_few_revolutions"
    BALL_NOT_SEEN = "ball_not_seen"
    BALL_NOT_DETECTED = "ball_not_detected"
    LAUNCH_FAILED = "launch_failed"
    RESTARTED = "restarted"
    CLOSED = "closed"


class FaultCode(StrEnum):
    """Why a device cannot be believed now. As with reasons, receivers accept any word as a fault.

    A result is never reported for a spin during which one of these was raised, except those
    that are discovered after the result (``NUMBER_CHANGED``, ``NUMBER_MISMATCH``).
    """

    SILENT = "silent"
    DISCONNECTED = "disconnected"
    HARDWARE = "hardware"
    ODD_TRANSITION = "odd_transition"
    SPIN_JUMP = "spin_jump"
    SPIN_CHANGED = "spin_changed"
    DIRECTION_CHANGED = "direction_changed"
    RIM_TOO_SHORT = "rim_too_short"
    SPIN_TOO_LONG = "spin_too_long"
    EDGE_UNSEEN = "edge_unseen"
    JOINED_MID_SPIN = "joined_mid_spin"
    NUMBER_CHANGED = "number_changed"
    NUMBER_MISMATCH = "number_mismatch"
    NUMBER_NOT_ON_WHEEL = "number_not_on_wheel"


@dataclass(frozen=True, slots=True)
class Observation:
    """What ``device`` of ``table`` saw at ``captured_at_ms`` (ms since 1970, the studio's clock).

    ``seq`` grows strictly per device, over restarts too; gaps are allowed.
    """

    device: str
    table: str
    seq: int
    kind: ObservationKind
    captured_at_ms: int
    data: Mapping[str, Value]


def is_name(text: object) -> bool:
    """Whether ``text`` may name a device, a table or a key: 1 to 64 of ``a-z 0-9 . _ : -``."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _between(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


#: The wheel's own counter runs 1..256 and wraps; 0 is a wheel that has not spun since power-on.
_SPIN = _between(0, 256)
_POCKET = _between(0, 36)

#: The exact fields of each kind. A missing or an extra field is malformed.
_FIELDS: Final[dict[ObservationKind, dict[str, Callable[[object], bool]]]] = {
    ObservationKind.WHEEL_STATE: {
        "state": _between(1, 7),
        "spin": _SPIN,
        "rpm_tenths": _between(0, 999),
        "direction": _between(0, 1),
        "flags": _between(0, 15),
    },
    ObservationKind.SPIN_STARTED: {"spin": _SPIN, "direction": _between(0, 1)},
    ObservationKind.RESULT: {"number": _POCKET, "spin": _SPIN},
    ObservationKind.NO_SPIN: {"reason": _word},
    ObservationKind.DEVICE_FAULT: {"code": _word},
    ObservationKind.DEVICE_OK: {},
    ObservationKind.PRESENTER_LAUNCH: {},
    ObservationKind.PRESENTER_CONFIRM: {"number": _POCKET},
    ObservationKind.PRESENTER_NO_SPIN: {"reason": _word},
    ObservationKind.PRESENTER_CALL: {},
}


def encode(observation: Observation) -> bytes:
    """The one byte form of ``observation``: ASCII JSON, sorted keys, no spaces.

    Raises :class:`Malformed` where a field is outside its limits, so that nothing can be signed
    that a receiver would refuse.
    """
    _check(observation)
    return _canonical(
        {
            "at": observation.captured_at_ms,
            "data": dict(observation.data),
            "device": observation.device,
            "kind": observation.kind.value,
            "seq": observation.seq,
            "table": observation.table,
            "v": VERSION,
        }
    )


def decode(payload: bytes) -> Observation:
    """The observation in ``payload``; raises :class:`Malformed` for anything but canonical bytes.

    Comparing with a fresh encoding refuses at once duplicate keys, other spellings of numbers,
    spaces and unknown fields: two different byte strings never mean the same observation.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed(f"payload of {len(payload)} bytes")
    try:
        value = json.loads(payload.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Malformed("not ASCII JSON") from error
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise Malformed("not a message of version 1")
    observation = _read(value)
    if encode(observation) != payload:
        raise Malformed("not in canonical form")
    return observation


def _read(value: dict[str, object]) -> Observation:
    kind, data = value.get("kind"), value.get("data")
    if not isinstance(kind, str) or kind not in ObservationKind.__members__.values():
        raise Malformed("unknown kind")
    if not isinstance(data, dict):
        raise Malformed("data is not an object")
    device, table = value.get("device"), value.get("table")
    seq, at = value.get("seq"), value.get("at")
    if not (isinstance(device, str) and isinstance(table, str)):
        raise Malformed("device or table is not a text")
    if not (isinstance(seq, int) and isinstance(at, int)):
        raise Malformed("seq or at is not a whole number")
    return Observation(device, table, seq, ObservationKind(kind), at, data)


def _check(observation: Observation) -> None:
    if not (is_name(observation.device) and is_name(observation.table)):
        raise Malformed("device or table is not a name")
    if not _between(1, INTEGER_MAX)(observation.seq):
        raise Malformed("seq out of range")
    if not _between(0, INTEGER_MAX)(observation.captured_at_ms):
        raise Malformed("capture time out of range")
    fields = _FIELDS[observation.kind]
    if observation.data.keys() != fields.keys():
        raise Malformed(f"wrong fields for {observation.kind}")
    for name, legal in fields.items():
        if not legal(observation.data[name]):
            raise Malformed(f"{name} out of range")


def _canonical(value: dict[str, object]) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")

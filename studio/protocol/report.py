"""One exchange between a table's controller and the platform: news up, the presenter's cue down.

``POST /studio/v1/report`` carries a :class:`Report` (observations where there are any, and a signed
heartbeat of each connected device) and is answered by an :class:`Answer`. Both directions are
parsed strictly and within limits.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from studio.protocol.messages import INTEGER_MAX, PAYLOAD_BYTES_MAX, Malformed, is_name
from studio.protocol.signatures import SIGNATURE_BYTES, Signed

PATH: Final = "/studio/v1/report"
#: A round makes about a dozen observations; 64 lets a backlog of minutes drain in a few requests.
OBSERVATIONS_MAX: Final = 64
#: A table has a handful of devices.
ALIVE_MAX: Final = 16
#: 64 payloads of 4 KiB in base64 with their signatures fit below this.
REPORT_BYTES_MAX: Final = 512 * 1024
ANSWER_BYTES_MAX: Final = 16 * 1024
_PHASE_LETTERS_MAX: Final = 40
_ACKED_MAX: Final = 16


class Order(StrEnum):
    """What the presenter is asked to do now."""

    WAIT = "wait"
    LAUNCH = "launch"
    CONFIRM = "confirm"
    RESPIN = "respin"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Cue:
    """What the presenter's screen shows. Times are ms since 1970 by the platform's clock."""

    phase: str
    round: int | None
    closes_at_ms: int | None
    now_ms: int
    order: Order

    def as_json(self) -> dict[str, int | str | None]:
        return {
            "phase": self.phase,
            "round": self.round,
            "closes_at_ms": self.closes_at_ms,
            "now_ms": self.now_ms,
            "order": self.order.value,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Signed observations of one table, oldest first, and heartbeats of its connected devices."""

    table: str
    observations: tuple[Signed, ...] = ()
    alive: tuple[Signed, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """``acked``: per device, everything up to and including this sequence is done with."""

    acked: Mapping[str, int]
    cue: Cue


def encode_report(report: Report) -> bytes:
    """The request body of ``report``."""
    return json.dumps(
        {
            "table": report.table,
            "observations": [_as_json(item) for item in report.observations],
            "alive": [_as_json(item) for item in report.alive],
        }
    ).encode()


def decode_report(body: bytes) -> Report:
    """The report in ``body``; signatures are not verified here. Raises :class:`Malformed`."""
    value = _object(body, REPORT_BYTES_MAX)
    if value.keys() != {"table", "observations", "alive"} or not is_name(value["table"]):
        raise Malformed("a report has a table, observations and alive")
    return Report(
        str(value["table"]),
        _signed_list(value["observations"], OBSERVATIONS_MAX),
        _signed_list(value["alive"], ALIVE_MAX),
    )


def encode_answer(answer: Answer) -> bytes:
    """The response body of ``answer``."""
    return json.dumps({"acked": dict(answer.acked), "cue": answer.cue.as_json()}).encode()


def decode_answer(body: bytes) -> Answer:
    """The answer in ``body``; raises :class:`Malformed`.

    Unknown extra fields are ignored here, unlike in observations: they carry no evidence, and an
    older controller must keep running while the platform is updated.
    """
    value = _object(body, ANSWER_BYTES_MAX)
    acked = value.get("acked")
    if not isinstance(acked, dict) or len(acked) > _ACKED_MAX:
        raise Malformed("acked is not an object within its limit")
    for device, seq in acked.items():
        if not is_name(device) or not _whole(seq):
            raise Malformed("acked maps device names to sequences")
    return Answer(acked, decode_cue(value.get("cue")))


def decode_cue(value: object) -> Cue:
    """The cue in a parsed JSON value; raises :class:`Malformed`."""
    if not isinstance(value, dict):
        raise Malformed("cue is not an object")
    phase, order = value.get("phase"), value.get("order")
    if not isinstance(phase, str) or len(phase) > _PHASE_LETTERS_MAX:
        raise Malformed("phase is not a short text")
    if not isinstance(order, str) or order not in Order.__members__.values():
        raise Malformed("unknown order")
    return Cue(
        phase=phase,
        round=_whole_or_none(value.get("round")),
        closes_at_ms=_whole_or_none(value.get("closes_at_ms")),
        now_ms=_whole_or_none(value.get("now_ms")) or 0,
        order=Order(order),
    )


def _as_json(item: Signed) -> dict[str, str]:
    return {
        "p": base64.b64encode(item.payload).decode(),
        "s": base64.b64encode(item.signature).decode(),
        "k": item.key_id,
    }


def _signed_list(items: object, items_max: int) -> tuple[Signed, ...]:
    if not isinstance(items, list) or len(items) > items_max:
        raise Malformed("not a list within its limit")
    return tuple(_signed(item) for item in items)


def _signed(item: object) -> Signed:
    if not isinstance(item, dict) or item.keys() != {"p", "s", "k"} or not is_name(item["k"]):
        raise Malformed("a signed message has p, s and k")
    payload = _bytes(item["p"], PAYLOAD_BYTES_MAX)
    signature = _bytes(item["s"], SIGNATURE_BYTES)
    return Signed(payload, signature, str(item["k"]))


def _bytes(text: object, bytes_max: int) -> bytes:
    if not isinstance(text, str) or len(text) > (bytes_max + 2) // 3 * 4:
        raise Malformed("not base64 within its limit")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None


def _object(body: bytes, bytes_max: int) -> dict[str, object]:
    if len(body) > bytes_max:
        raise Malformed(f"body of {len(body)} bytes")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value <= INTEGER_MAX


def _whole_or_none(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not _whole(value):
        raise Malformed("not a whole number")
    return value

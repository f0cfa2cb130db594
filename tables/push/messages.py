"""What a table's page may send over its socket, parsed strictly (docs/push.md).

Anything that is not exactly one of these messages is nonsense (``ValueError``) and ends the socket.
Whether a bet is a good one is judged elsewhere and answered in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from events.wire import compact
from kernel.refusal import Refused
from tables.bets import repeats
from tables.bets.slips import Receipt
from tables.rules.roulette import ALL_POSITIONS

#: docs/push.md: a message of more closes the socket.
MESSAGE_BYTES_MAX: Final = 4_096
#: What JavaScript holds exactly; amounts and rounds beyond it are nonsense.
INTEGER_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Ping:
    """``t`` comes back as it is."""

    t: int | float


@dataclass(frozen=True, slots=True)
class Resync:
    """A gap was met."""


@dataclass(frozen=True, slots=True)
class Bet:
    """Positions with their stakes in minor units."""

    key: str
    round: int
    stakes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """An announced bet, such as voisins, with one chip's value in minor units."""

    key: str
    round: int
    code: str
    chip_minor: int


@dataclass(frozen=True, slots=True)
class Undo:
    """Take the last slip back."""

    key: str


@dataclass(frozen=True, slots=True)
class Again:
    """``wish`` is ``repeats.REBET`` or ``repeats.DOUBLE``."""

    wish: str
    key: str
    round: int


Act = Bet | Announced | Undo | Again
Message = Ping | Resync | Act


def parse(text: str) -> Message:
    """The message of ``text``; ``ValueError`` for anything that is not one."""
    if len(text) > MESSAGE_BYTES_MAX or len(text.encode()) > MESSAGE_BYTES_MAX:
        raise ValueError("too long")
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    kind = raw.pop("k", None)
    if not isinstance(kind, str):
        raise ValueError("no kind")
    return _message(kind, raw)


def _message(kind: str, raw: dict[str, Any]) -> Message:
    message: Message
    match kind, sorted(raw):
        case "ping", ["t"]:
            message = Ping(_number(raw["t"]))
        case "resync", []:
            message = Resync()
        case "bet", ["key", "round", "stakes"]:
            message = Bet(_text(raw["key"]), _integer(raw["round"]), _stakes(raw["stakes"]))
        case "bet", ["announced", "chip", "key", "round"]:
            message = Announced(
                _text(raw["key"]),
                _integer(raw["round"]),
                _text(raw["announced"]),
                _integer(raw["chip"]),
            )
        case "undo", ["key"]:
            message = Undo(_text(raw["key"]))
        case ((repeats.REBET | repeats.DOUBLE), ["key", "round"]):
            message = Again(kind, _text(raw["key"]), _integer(raw["round"]))
        case _:
            raise ValueError("no such message")
    return message


def pong(ping: Ping, now_ms: int) -> str:
    """The answer to a ping."""
    return compact({"k": "pong", "t": ping.t, "now": now_ms})


def accepted(key: str, receipt: Receipt) -> str:
    """The answer to an act that is committed."""
    return compact(
        {
            "k": "answer",
            "key": key,
            "ok": True,
            "d": {
                "round": receipt.round_number,
                "stakes": [[bet.position, bet.stake_minor] for bet in receipt.bets],
                "total_minor": receipt.total_minor,
                "receipt": str(receipt.slip_id),
            },
        }
    )


def refused(key: str, refusal: Refused, text: str) -> str:
    """The answer to an act of which nothing was taken."""
    return compact(
        {"k": "answer", "key": key, "ok": False, "code": str(refusal.code), "text": text}
    )


def closed(code: str, text: str) -> str:
    """What is said before a socket ends by order."""
    return compact({"k": "closed", "code": code, "text": text})


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 64:
        raise ValueError("not a short text")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= INTEGER_MAX:
        raise ValueError("not a count")
    return value


def _number(value: Any) -> int | float:
    if type(value) not in {int, float} or not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise ValueError("not a number")
    return value  # type: ignore[no-any-return]  # looked at above


def _stakes(value: Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, list) or len(value) > len(ALL_POSITIONS):
        raise ValueError("not a list of stakes")
    pairs = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("not a stake")
        pairs.append((_text(pair[0]), _integer(pair[1])))
    return tuple(pairs)

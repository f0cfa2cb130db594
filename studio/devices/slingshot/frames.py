"""Lines to frames: the strict grammar of the Slingshot 2 protocol, and the commands to the wheel.

What does not fit the grammar exactly is an :class:`Unreadable` frame, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum
from typing import Final

from studio.devices.lines import Line

#: The longest legal frame has 19 bytes before its end; more than double is something else.
LINE_BYTES_MAX: Final = 48

#: What the wheel writes as ``00``, ``38`` and ``39``: never pockets of a European wheel.
DOUBLE_ZERO: Final = 37
TRIPLE_ZERO: Final = 38

_STATUS = re.compile(rb"\*X;([1-7]);(\d{3});(  | \d|\d\d);([0-9A-F]);(\d{3});([01])")
_BARE = re.compile(rb" \d|\d\d")
_BONUS = re.compile(rb"\*Y;([1-6]);(\d{3})")


class WheelState(IntEnum):
    """The first field of a status frame."""

    BEFORE_GAME = 1
    PLACE_BETS = 2
    BALL_IN_RIM = 3
    NO_MORE_BETS = 4
    WINNING_NUMBER = 5
    CLOSED = 6
    BALL_NOT_DETECTED = 7


class WheelFlag(IntFlag):
    """The warning bits of a status frame."""

    NONE = 0
    BALL_NOT_SEEN = 1
    SAME_DIRECTION = 2
    HARDWARE = 4
    LAUNCH_FAILED = 8


class Reply(StrEnum):
    """The wheel's answers to commands."""

    OK = "OK"
    BUSY = "BUSY"
    NO = "NO"


@dataclass(frozen=True, slots=True)
class Status:
    """``*X``: sent every 500 ms. ``win`` is the *previous* number until state 5; None before any.

    ``spin`` counts 1..256 and wraps, ``rpm_tenths`` is the rotor's speed, ``direction`` 0 is
    clockwise.
    """

    state: WheelState
    spin: int
    win: int | None
    flags: WheelFlag
    rpm_tenths: int
    direction: int


@dataclass(frozen=True, slots=True)
class BareNumber:
    """The winning number alone on a line: the only frame without ``*``."""

    number: int


@dataclass(frozen=True, slots=True)
class Bonus:
    """``*Y``: a bonus display's value, which roulette does not use."""

    index: int
    value: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply to a command."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes outside the grammar, kept for the log."""

    content: bytes


Frame = Status | BareNumber | Bonus | Answered | Unreadable

#: Commands that the driver may order. ``RESTART`` also acknowledges a void spin.
POLL: Final = b"*X\r\n"
RESTART: Final = b"*R\r\n"


def frames_of(line: Line) -> list[Frame]:
    """The frames on ``line``: one, or two where a cut-off frame runs into the next ``*``.

    Only the last part can be a frame then, and only if it is whole.
    """
    if not line.complete:
        return [Unreadable(line.content)]
    start = line.content.rfind(b"*")
    if start <= 0:
        return [_frame(line.content)]
    return [Unreadable(line.content[:start]), _frame(line.content[start:])]


def _frame(content: bytes) -> Frame:
    if (found := _STATUS.fullmatch(content)) is not None:
        return _status(found, content)
    if _BARE.fullmatch(content):
        number = _number(content)
        return Unreadable(content) if number is None else BareNumber(number)
    if (found := _BONUS.fullmatch(content)) is not None:
        return Bonus(int(found[1]), int(found[2]))
    if content in (b"OK", b"BUSY", b"NO"):
        return Answered(Reply(content.decode()))
    return Unreadable(content)


def _status(found: re.Match[bytes], content: bytes) -> Frame:
    state, spin, win, flags, rpm, direction = found.groups()
    number = None if win == b"  " else _number(win)
    if int(spin) > 256 or (number is None and win != b"  "):
        return Unreadable(content)
    return Status(
        state=WheelState(int(state)),
        spin=int(spin),
        win=number,
        flags=WheelFlag(int(flags, 16)),
        rpm_tenths=int(rpm),
        direction=int(direction),
    )


def _number(field: bytes) -> int | None:
    """The pocket in a two-letter field: padded with a space, so ``07`` is no spelling of 7."""
    if field == b"00":
        return DOUBLE_ZERO
    if field in (b"38", b"39"):
        return TRIPLE_ZERO
    value = int(field)
    padded = field.startswith(b" ")
    return value if value <= 36 and padded == (value < 10) else None

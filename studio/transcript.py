"""The form in which raw device traffic is kept: one line per read or write, readable by a person.

``<monotonic µs> <direction> <percent-encoded bytes>``. Shared by the archive that records and by
the player that replays; knows nothing of what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

#: Printable ASCII that may stand for itself; the rest, the blank and ``%`` are encoded.
_PLAIN: Final = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
#: A read from a device is at most 4 KiB, three letters a byte, plus the time.
LINE_LETTERS_MAX: Final = 16 * 1024


class Direction(StrEnum):
    """Which way the bytes went, seen from the controller; MARK is a remark on the connection."""

    FROM_DEVICE = "<"
    TO_DEVICE = ">"
    MARK = "!"


class BadTranscript(Exception):
    """A line is not of this form; the text names its number."""


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes that passed at ``at_us``, microseconds of a monotonic clock of one recording."""

    at_us: int
    direction: Direction
    content: bytes


def line_of(record: Record) -> str:
    """``record`` as one line, with its line end."""
    text = quote_from_bytes(record.content, safe=_PLAIN)
    return f"{record.at_us} {record.direction.value} {text}\n"


def records_of(lines: Iterable[str]) -> Iterator[Record]:
    """The records in ``lines``; blank lines and lines that begin with ``#`` are remarks.

    Raises :class:`BadTranscript` at the first line of another form. A last line without its line
    end was cut off by a crash: it is left out, since its bytes may be incomplete.
    """
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            return
        if line.startswith("#") or not line.strip():
            continue
        yield _record(line.rstrip("\n"), number)


def _record(line: str, number: int) -> Record:
    parts = line.split(" ", 2)
    if len(line) > LINE_LETTERS_MAX or len(parts) != 3 or not parts[0].isascii():
        raise BadTranscript(f"line {number}")
    if not parts[0].isdigit() or parts[1] not in Direction.__members__.values():
        raise BadTranscript(f"line {number}")
    return Record(int(parts[0]), Direction(parts[1]), unquote_to_bytes(parts[2]))

"""A file as text, looked at once from end to end before anything reads its cells.

Broken texts are told with the line: bytes that are none of the encoding, NUL bytes, line ends that
differ. Lines before the headings and after the rows are cut off; the rest is written as UTF-8.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from payments.files.words import FileCode, FileRefused, fault

CHUNK: Final = 1024 * 1024
#: Lines before the headings and after the rows are short and few.
HEAD_LINES_MAX: Final = 20
EDGE_BYTES: Final = 64 * 1024
_BOM: Final = "\ufeff"
_BLANK: Final = re.compile("\n(?=\n)")
_LINE_END: Final = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is written. ``head`` and ``totals`` are what lines before the headings and after
    the rows start with; empty: there are none.
    """

    encoding: str
    quote: str
    head: str = ""
    totals: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """The headings and rows of a file, alone, in UTF-8; and the lines that were cut off.

    ``first_row`` is the number, in the file, of the line of headings. ``rows`` is how many records
    follow it, empty lines aside; ``is_open`` says that the last quotation mark does not close.
    """

    body: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    headings: str
    rows: int
    is_open: bool

    @property
    def first_row(self) -> int:
        return len(self.before) + 1


def beginning(path: Path, encoding: str) -> list[str]:
    """The first lines of a file, for telling formats apart; broken bytes do not matter here."""
    with path.open("rb") as file:
        start = file.read(EDGE_BYTES)
    marked = "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else encoding
    text = start.decode(marked, errors="replace").removeprefix(_BOM)
    return [line for line in _LINE_END.split(text) if line][:HEAD_LINES_MAX]


def separate(path: Path, body: Path, shape: Shape) -> Text:
    """Check ``path`` whole and write its headings and rows to ``body``, with LF at their ends.

    Refuses with NUL_BYTE, WRONG_ENCODING, MIXED_LINE_ENDS, EMPTY_FILE or MISSING_COLUMN.
    """
    ends, records = io.IncrementalNewlineDecoder(None, translate=True), _Records(shape.quote)
    with path.open("rb") as file, body.open("wb") as out:
        for text in _decoded(file, shape.encoding):
            plain = ends.decode(text, final=not text)
            records.look(plain)
            out.write(plain.encode())
    if isinstance(ends.newlines, tuple):
        _refuse_mixed_ends(path, shape)
    before, start, headings = _head(body, shape.head)
    after, size = _tail(body, shape.totals)
    if size < start:
        after, size = (), body.stat().st_size
    _cut(body, start, size)
    rows = records.end() - len(before) - len(after) - 1
    return Text(body, before, after, headings, rows, records.is_within)


def _decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    line, at_start = 1, True
    while True:
        chunk = file.read(CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise FileRefused(
                fault(FileCode.WRONG_ENCODING, row=line, line=line, encoding=encoding)
            ) from None
        if at_start and text:
            text, at_start = text.removeprefix(_BOM), False
        if "\0" in text:
            line += text[: text.index("\0")].count("\n")
            raise FileRefused(fault(FileCode.NUL_BYTE, row=line, line=line))
        yield text
        line += text.count("\n")
        if not chunk:
            return


class _Records:
    """How many records there are, counted apart from the engine that will read them.

    Line ends are all LF here; those within quotation marks end nothing.
    """

    def __init__(self, quote: str) -> None:
        self._quote = quote
        self.is_within = False
        self._is_blank = True
        self.count = 0

    def look(self, text: str) -> None:
        outside = text
        if self.is_within or self._quote in text:
            pieces = text.split(self._quote)
            outside = self._quote.join(pieces[self.is_within :: 2])
            self.is_within ^= len(pieces) % 2 == 0
        if not outside:
            return
        ends = outside.count("\n")
        blank = len(_BLANK.findall(outside)) if "\n\n" in outside else 0
        if ends:
            blank += self._is_blank and outside.startswith("\n")
            self.count += ends - blank
            self._is_blank = outside.endswith("\n")
        else:
            self._is_blank = False

    def end(self) -> int:
        """The number of records; the last may lack its line end."""
        return self.count + (not self._is_blank)


def _refuse_mixed_ends(path: Path, shape: Shape) -> None:
    """Several kinds may stand within quotation marks alone. Line by line: few files have them."""
    seen, within, number = "", False, 0
    with path.open(encoding=shape.encoding, newline="") as file:
        for line in file:
            number += 1
            within ^= line.count(shape.quote) % 2 == 1
            end = next((one for one in ("\r\n", "\n", "\r") if line.endswith(one)), "")
            if within or not end:
                continue
            if seen and end != seen:
                raise FileRefused(fault(FileCode.MIXED_LINE_ENDS, row=number, line=number))
            seen = end


def _head(body: Path, start: str) -> tuple[tuple[str, ...], int, str]:
    """The lines before the headings, where the headings begin, and the line of headings."""
    with body.open("rb") as file:
        text = file.read(EDGE_BYTES).decode(errors="ignore")
    lines: list[str] = []
    at = 0
    for found in _lines(text):
        line = found.rstrip("\r\n")
        if not (start and line.startswith(start)) or len(lines) >= HEAD_LINES_MAX:
            if line.strip():
                return tuple(lines), at, line
        elif line:
            lines.append(line)
        at += len(found.encode())
    if lines:
        raise FileRefused(fault(FileCode.MISSING_COLUMN, wanted="headings"))
    raise FileRefused(fault(FileCode.EMPTY_FILE))


def _tail(body: Path, start: str) -> tuple[tuple[str, ...], int]:
    """The lines after the rows, and where they begin."""
    size = body.stat().st_size
    if not start:
        return (), size
    with body.open("rb") as file:
        file.seek(max(0, size - EDGE_BYTES))
        text = file.read().decode(errors="replace")
    lines: list[str] = []
    for found in reversed(_lines(text)):
        line = found.rstrip("\r\n")
        if line and not line.startswith(start):
            break
        size -= len(found.encode())
        lines.append(line)
    return tuple(line for line in reversed(lines) if line), size


def _lines(text: str) -> list[str]:
    """Lines with their ends; unlike `str.splitlines`, only at CR and LF."""
    found, at = [], 0
    for end in _LINE_END.finditer(text):
        found.append(text[at : end.end()])
        at = end.end()
    return [*found, text[at:]] if at < len(text) else found


def _cut(body: Path, start: int, end: int) -> None:
    """Keep the bytes from ``start`` to ``end``, in place."""
    if start:
        kept = body.with_suffix(".cut")
        with body.open("rb") as file, kept.open("wb") as out:
            file.seek(start)
            left = end - start
            while left and (chunk := file.read(min(CHUNK, left))):
                out.write(chunk)
                left -= len(chunk)
        kept.replace(body)
    else:
        with body.open("r+b") as file:
            file.truncate(end)

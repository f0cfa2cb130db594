"""Lists as files: the three CSV files of the OFAC format, and a CSV with headings.

A file is refused whole rather than read in part: another number of columns, a quote that does not
close, a last line without an end, a row that belongs to no entry. Read line by line; what is held
in memory is bounded by `BYTES_MAX`.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Final

from compliance.screening.entries import Entry, ListCode, births, country_code, entry, kind_of
from kernel.refusal import Refused

#: The largest list seen is some 30 MB; what is ten times that is not one.
BYTES_MAX: Final = 300 * 1024 * 1024
FIELD_CHARS_MAX: Final = 64 * 1024
CHUNK: Final = 1024 * 1024
#: The OFAC files end with the mark by which old systems ended a text.
END_MARK: Final = b"\x1a"
NULL: Final = "-0-"

SDN_COLUMNS: Final = 12
ADD_COLUMNS: Final = 6
ALT_COLUMNS: Final = 5
_REMARK_BIRTH: Final = re.compile(r"(?:^|\s)(?:alt\. )?DOB (.+)$")
_REMARK_COUNTRY: Final = re.compile(r"(?:^|\s)(?:alt\. )?(?:nationality|citizen) (.+)$")

#: Ways to name the columns of the general format; the second names are OpenSanctions' own.
_HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id",),
    "kind": ("kind", "schema"),
    "name": ("name",),
    "aliases": ("aliases",),
    "birth_dates": ("birth_dates", "birth_date"),
    "countries": ("countries",),
    "programme": ("programme", "sanctions", "dataset"),
}


def lacks_end_mark(file: BinaryIO) -> bool:
    """Whether the mark is missing with which each file of the OFAC format ends: without it, a file
    that was cut between two lines looks whole.
    """
    file.seek(0, 2)
    file.seek(-min(file.tell(), 16), 2)
    return not file.read().rstrip(b"\r\n").endswith(END_MARK)


def read_ofac(sdn: BinaryIO, alt: BinaryIO, add: BinaryIO) -> Iterator[Entry]:
    """Entries of ``sdn.csv`` with the names of ``alt.csv`` and countries of ``add.csv``, joined by
    ``ent_num``. A row of theirs whose entry is missing means that ``sdn.csv`` was cut: ``ORPHAN``.
    """
    names = _by_entry(alt, ALT_COLUMNS, lambda row: _null(row[3]), "alt.csv")
    places = _by_entry(add, ADD_COLUMNS, lambda row: country_code(_null(row[4])), "add.csv")
    known: set[str] = set()
    for row in _rows(sdn, SDN_COLUMNS, "sdn.csv"):
        ref = row[0].strip()
        if not ref.isdecimal() or not _null(row[1]):
            raise Refused(ListCode.BAD_ROW, file="sdn.csv", row=ref[:20])
        if ref in known:
            raise Refused(ListCode.DUPLICATE, file="sdn.csv", entry=ref)
        known.add(ref)
        remarks = [part.strip().rstrip(".") for part in _null(row[11]).split(";")]
        nations = [country_code(one) for one in _found(_REMARK_COUNTRY, remarks)]
        yield entry(
            ref,
            kind_of(_null(row[2]) or "entity", "sdn.csv", ref),  # as the format says a company
            [_null(row[1]), *names.get(ref, [])],
            [date for one in _found(_REMARK_BIRTH, remarks) for date in births(one)],
            [one for one in (*nations, *places.get(ref, [])) if one],
            _null(row[3]),
        )
    for file, joined in (("alt.csv", names), ("add.csv", places)):
        orphan = next((ref for ref in joined if ref not in known), None)
        if orphan is not None:
            raise Refused(ListCode.ORPHAN, file=file, entry=orphan)


def read_general(file: BinaryIO) -> Iterator[Entry]:
    """Entries of a CSV whose first row names ``id``, ``name`` and, as far as there are, ``kind``,
    ``aliases``, ``birth_dates``, ``countries``, ``programme``; several values stand between ``;``.
    """
    rows = _rows(file, None, "list")
    head = [cell.strip().lower() for cell in next(rows, [])]
    place = {
        wanted: next((head.index(name) for name in ways if name in head), None)
        for wanted, ways in _HEADINGS.items()
    }
    if place["id"] is None or place["name"] is None:
        raise Refused(ListCode.WRONG_COLUMNS, file="list", missing="id, name")
    known: set[str] = set()

    def cell(row: list[str], name: str) -> str:
        at = place[name]
        return "" if at is None else _null(row[at])

    for row in rows:
        if len(row) != len(head):
            raise Refused(ListCode.WRONG_COLUMNS, file="list", row=row[0][:40] if row else "")
        ref = cell(row, "id")
        if not ref or not cell(row, "name"):
            raise Refused(ListCode.BAD_ROW, file="list", row=ref[:40])
        if ref in known:
            raise Refused(ListCode.DUPLICATE, file="list", entry=ref[:40])
        known.add(ref)
        yield entry(
            ref,
            kind_of(cell(row, "kind") or "person", "list", ref),
            [cell(row, "name"), *cell(row, "aliases").split(";")],
            [date for one in cell(row, "birth_dates").split(";") for date in births(one)],
            [code for one in cell(row, "countries").split(";") if (code := country_code(one))],
            cell(row, "programme"),
        )


def _null(text: str) -> str:
    plain = text.strip()
    return "" if plain == NULL else plain


def _found(pattern: re.Pattern[str], remarks: list[str]) -> Iterator[str]:
    for part in remarks:
        if found := pattern.search(part):
            yield found.group(1)


def _by_entry(
    file: BinaryIO, columns: int, value: Callable[[list[str]], str], name: str
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in _rows(file, columns, name):
        held = found.setdefault(row[0].strip(), [])
        one = value(row)
        if one and one not in held:
            held.append(one)
    return found


def _rows(file: BinaryIO, columns: int | None, name: str) -> Iterator[list[str]]:
    """Rows of the file, each with ``columns`` cells. Refuses as the module says."""
    reader = csv.reader(_lines(file, _encoding(file, name), name), strict=True)
    csv.field_size_limit(FIELD_CHARS_MAX)
    try:
        for row in reader:
            if not row:
                continue
            if columns is not None and len(row) != columns:
                raise Refused(ListCode.WRONG_COLUMNS, file=name, line=reader.line_num)
            yield row
    except csv.Error:
        raise Refused(ListCode.CUT_OFF, file=name, line=reader.line_num) from None


def _lines(file: BinaryIO, encoding: str, name: str) -> Iterator[str]:
    """Lines without the end mark; ``BAD_ROW`` for one that never ends."""
    file.seek(0)
    while line := file.readline(CHUNK):
        if len(line) == CHUNK:
            raise Refused(ListCode.BAD_ROW, file=name, row="")
        text = line.replace(END_MARK, b"").decode(encoding)
        if text:
            yield text.removeprefix("\ufeff")


def _encoding(file: BinaryIO, name: str) -> str:
    """UTF-8 where the whole file is it, else Latin-1: lists come in both. Refuses with
    ``NOT_TEXT``, ``TOO_LARGE``, and ``CUT_OFF`` where the last line does not end.
    """
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, size, last = True, 0, b""
    while chunk := file.read(CHUNK):
        size += len(chunk)
        if size > BYTES_MAX:
            raise Refused(ListCode.TOO_LARGE, file=name, bytes_max=BYTES_MAX)
        if b"\x00" in chunk:  # UTF-16, or no text at all
            raise Refused(ListCode.NOT_TEXT, file=name)
        if is_utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
        last = chunk[-3:]
    if not last.rstrip(END_MARK).endswith(b"\n"):
        raise Refused(ListCode.CUT_OFF if size else ListCode.EMPTY, file=name)
    return "utf-8" if is_utf8 else "latin-1"

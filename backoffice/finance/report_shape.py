"""What a report is, and how it is written as a file: a header, rows, control totals. Pure.

Amounts are decimal strings of their currency, days and instants ISO 8601, text is safe in a
spreadsheet. Rows pass through one at a time and only sums stay, so a file of a million rows needs
no more memory than an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import Final

from audit.canonical import instant
from audit.spreadsheet import NO_ACTIVITY, cell, csv_bytes
from kernel.invariant import ensure
from kernel.money import Money

ROWS_PER_PIECE: Final = 500
CURRENCY: Final = "currency"
#: Shares are written in ten-thousandths: ``0.9375``.
SHARE_PARTS: Final = 10_000


class Cell(StrEnum):
    """What stands in a column."""

    TEXT = "text"
    DAY = "day"
    INSTANT = "instant"
    COUNT = "count"
    MONEY = "money"  # minor units of the row's currency
    SHARE = "share"  # ten-thousandths; None: of nothing


class Reach(StrEnum):
    """What a report is asked for."""

    DAYS = "days"  # gaming days, and as of an instant
    INSTANT = "instant"  # as of an instant


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the file, in words on the page, and whether it is added up."""

    name: str
    words: str
    cell: Cell = Cell.TEXT
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """Which gaming days a report is about, as of when. Instants are UTC; ``until`` is excluded.

    ``until`` is the end of the last day or ``as_of``, whichever is first: nothing posted at or
    after it is in the report.
    """

    first: date
    last: date
    since: datetime
    until: datetime
    as_of: datetime
    zone: str


Rows = Iterable[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Report:
    """One report of the catalogue. ``rows`` reads inside the caller's snapshot.

    ``is_long``: has a row per player or payment, so that a page shows only its beginning.
    """

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    rows: Callable[[Span], Rows]
    reach: Reach = Reach.DAYS
    is_long: bool = False

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        has_money = any(column.cell is Cell.MONEY for column in self.columns)
        ensure(not has_money or CURRENCY in names, "amounts have a currency", report=self.name)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above the rows of a file, so that it can be read without the page."""

    operator: str
    software: str
    span: Span


@dataclass(slots=True)
class Totals:
    """Control totals: how many rows, and per currency the sum of each column that is added up."""

    rows: int = 0
    sums: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, report: Report, row: Sequence[object]) -> None:
        currency = _currency(report, row)
        self.rows += 1
        for column, value in zip(report.columns, row, strict=True):
            if column.is_total and type(value) is int:
                of = (currency, column.name)
                self.sums[of] = self.sums.get(of, 0) + value


def counted(report: Report, rows: Rows, totals: Totals) -> Iterator[Sequence[object]]:
    """The rows as they come, added to ``totals`` on the way."""
    for row in rows:
        totals.add(report, row)
        yield row


def shown(column: Column, value: object, currency: str) -> str | int:
    """The value as a cell of the file."""
    if value is None:
        return ""
    match column.cell:
        case Cell.MONEY:
            ensure(type(value) is int, "money is counted in whole minor units", got=value)
            return Money(int(str(value)), currency).decimal()
        case Cell.SHARE:
            parts = int(str(value))
            return f"{parts // SHARE_PARTS}.{parts % SHARE_PARTS:04d}"
        case Cell.INSTANT if isinstance(value, datetime):
            return instant(value)
        case Cell.DAY if isinstance(value, date):
            return value.isoformat()
        case _:
            return cell(value)


def file_pieces(report: Report, header: Header, rows: Rows, totals: Totals) -> Iterator[bytes]:
    """The file in pieces: header block, names of columns, rows, control totals.

    Rows are added to ``totals``, which is empty before. A report without rows says so.
    """
    span = header.span
    days = [] if report.reach is Reach.INSTANT else [
        ["first gaming day", span.first.isoformat()],
        ["last gaming day", span.last.isoformat()],
    ]  # fmt: skip
    yield csv_bytes([
        ["report", report.title],
        *days,
        ["as of", instant(span.as_of)],
        ["time zone of gaming days", span.zone],
        ["operator", cell(header.operator)],
        ["software", header.software],
        [],
        [column.name for column in report.columns],
    ])  # fmt: skip
    counted_rows = iter(counted(report, rows, totals))
    while piece := list(islice(counted_rows, ROWS_PER_PIECE)):
        yield csv_bytes(cells(report, row) for row in piece)
    if not totals.rows:
        yield csv_bytes([[NO_ACTIVITY]])
    yield csv_bytes([[], *_control(report, totals)])


def cells(report: Report, row: Sequence[object]) -> list[str | int]:
    """One row as it stands in the file."""
    currency = _currency(report, row)
    return [
        shown(column, value, currency) for column, value in zip(report.columns, row, strict=True)
    ]


def totals_shown(report: Report, totals: Totals) -> list[tuple[str, str, str | int]]:
    """Currency, column and sum, in the order of currencies and columns."""
    found: list[tuple[str, str, str | int]] = []
    for currency in sorted({of for of, _ in totals.sums}):
        for column in report.columns:
            if (currency, column.name) in totals.sums:
                minor = totals.sums[currency, column.name]
                found.append((currency, column.name, shown(column, minor, currency)))
    return found


def _control(report: Report, totals: Totals) -> Iterator[list[str | int]]:
    yield ["control", "rows", "", totals.rows]
    for currency, name, value in totals_shown(report, totals):
        yield ["control", name, currency, value]


def _currency(report: Report, row: Sequence[object]) -> str:
    for column, value in zip(report.columns, row, strict=True):
        if column.name == CURRENCY:
            return str(value)
    return ""

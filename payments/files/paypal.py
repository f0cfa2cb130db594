"""PayPal's settlement report (STL): sections of lines, each kind known by its first cell.

RH and FH head report and file; SH opens a section (an account), CH names its columns, SB is a row.
SF says per currency what the rows come to, SC how many they are; RF and RC say it of the report.
FF ends the file. Amounts are unsigned minor units; DR or CR says which way.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from kernel.invariant import ensure
from kernel.money import MINOR_MAX, SCALES
from payments.files import columnar, rows
from payments.files.mapping import heading
from payments.files.parsed import YEARS, Parsed, Staged
from payments.files.rows import Category, SettlementRow
from payments.files.words import FAULTS_MAX, Fault, FileCode, FileKind, FileRefused, fault

FORMAT: Final = "paypal_stl"
VERSION: Final = "1"
SOURCE: Final = "paypal"
_TYPES: Final = Path(__file__).parent / "paypal_types.yaml"
_INSTANT: Final = "%Y/%m/%d %H:%M:%S %z"
_DIGITS_MAX: Final = 19
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Columns that a section must have.
_WANTED: Final = (
    "transaction id",
    "invoice id",
    "paypal reference id",
    "transaction event code",
    "transaction initiation date",
    "transaction completion date",
    "transaction debit or credit",
    "gross transaction amount",
    "gross transaction currency",
    "fee debit or credit",
    "fee amount",
    "fee currency",
)
#: What SF and RF say after the currency, as far as it is compared.
_SUMS: Final = ("gross credits", "gross debits", "fee credits", "fee debits")
_Sums = dict[str, list[int]]


def shows(lines: list[str]) -> bool:
    """Whether a file begins with the header of a report."""
    return bool(lines) and lines[0].lstrip("\ufeff").replace('"', "").startswith("RH,")


def read(staged: Staged, place: Path) -> Parsed:
    """The rows of every section. Raises ``FileRefused``."""
    report, path = _Report(), place / "rows.parquet"
    try:
        with (
            staged.path.open(encoding=_encoding(staged.path), newline="") as file,
            closing(columnar.connect(place)) as engine,
        ):
            reader = csv.reader(file, strict=True)
            count = rows.write(engine, FileKind.SETTLEMENT, report.rows(reader), path)
    except UnicodeDecodeError as error:
        line = staged.path.read_bytes()[: error.start].count(b"\n") + 1
        raise FileRefused(
            fault(FileCode.WRONG_ENCODING, row=line, line=line, encoding="UTF-8")
        ) from None
    report.end()
    return Parsed(
        kind=FileKind.SETTLEMENT,
        format=FORMAT,
        version=VERSION,
        rows=count,
        rows_file=path,
        source=SOURCE,
        period=report.period,
        totals=report.totals(),
        notes=tuple(report.notes),
    )


def _encoding(path: Path) -> str:
    """UTF-8 with or without its mark; reports of the first versions are UTF-16."""
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"


@cache
def _types() -> Mapping[str, str]:
    """Event code, or its beginning → category, or ``by_sign``. The longest beginning counts."""
    found: dict[str, str] = yaml.safe_load(_TYPES.read_text("utf-8"))
    known = {*(one.value for one in Category), "by_sign"}
    ensure(set(found.values()) <= known, "event codes lead to categories of ours")
    return found


class _Report:
    """The state of reading: in which section, what its rows come to, what was wrong."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self.period: tuple[datetime, datetime] | None = None
        self._columns: dict[str, int] = {}
        self._is_open = self._is_ended = self._lacks_columns = False
        self._in_section = self._in_report = 0
        self._section: _Sums = defaultdict(lambda: [0, 0, 0, 0])
        self._report: _Sums = defaultdict(lambda: [0, 0, 0, 0])
        self._said_of_section: set[str] = set()
        self._said_of_report: set[str] = set()
        self._counts: dict[str, int] = defaultdict(int)

    def rows(self, reader: Iterator[list[str]]) -> Iterator[SettlementRow]:
        """Every SB row that is whole; faults gather until `end`."""
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._fault(FileCode.QUOTES, number, value=str(error))
                return
            if cells:
                row = self._line(number, cells)
                if row is not None:
                    yield row
            if len(self.faults) >= FAULTS_MAX:
                return

    def end(self) -> None:
        """Refuse what is wrong, and a report that was cut off."""
        if not self.faults:
            self._close_section(None)
            if not self._is_ended:
                self._fault(FileCode.MISSING_TOTALS, None, currency="the report (RC)")
            for currency in sorted(set(self._report) - self._said_of_report):
                self._fault(FileCode.MISSING_TOTALS, None, column=currency, currency=currency)
        if self.faults:
            raise FileRefused(self.faults)

    def totals(self) -> dict[str, dict[str, int]]:
        found = {}
        for currency, sums in sorted(self._report.items()):
            gross, fee = sums[0] - sums[1], sums[3] - sums[2]
            found[currency] = {
                "rows": self._counts[currency],
                "gross_minor": gross,
                "fee_minor": fee,
                "net_minor": gross - fee,
            }
        return found

    def _fault(self, code: FileCode, row: int | None, **facts: str) -> None:
        column, value = facts.pop("column", ""), facts.pop("value", "")
        self.faults.append(fault(code, row=row, column=column, value=value, **facts))

    def _line(self, number: int, cells: list[str]) -> SettlementRow | None:
        kind = cells[0].strip()
        if self._is_ended and kind != "FF":
            self._fault(FileCode.BAD_SECTION, number, value=kind, why="the report has ended")
        elif kind == "SH":
            self._open_section(number, cells)
        elif kind == "CH":
            self._name_columns(number, cells)
        elif kind == "SB":
            return self._row(number, cells)
        elif kind in {"SF", "RF"}:
            self._compare(number, kind, cells)
        elif kind in {"SC", "RC"}:
            self._compare_count(number, kind, cells)
        elif kind not in {"RH", "FH", "FF"}:
            self._fault(FileCode.BAD_SECTION, number, value=kind, why="no such kind of line")
        return None

    def _open_section(self, number: int, cells: list[str]) -> None:
        self._close_section(number)
        self._is_open, self._columns = True, {}
        try:
            start, end = (_instant(cells[place]) for place in (1, 2))
        except (ValueError, IndexError):
            self._fault(FileCode.BAD_DATE, number, column="SH", value=",".join(cells[1:3]))
            return
        before = self.period or (start, end)
        self.period = (min(before[0], start), max(before[1], end))

    def _close_section(self, number: int | None) -> None:
        """Each currency of the section's rows had its footer."""
        for currency in sorted(set(self._section) - self._said_of_section):
            self._fault(FileCode.MISSING_TOTALS, number, column=currency, currency=currency)
        self._section.clear()
        self._said_of_section.clear()
        self._in_section = 0
        self._is_open = False

    def _name_columns(self, number: int, cells: list[str]) -> None:
        names = [heading(one) for one in cells]
        self._columns = {name: place for place, name in enumerate(names)}
        if len(self._columns) != len(names):
            self._fault(FileCode.DUPLICATE_COLUMN, number)
        missing = [name for name in _WANTED if name not in self._columns]
        for name in missing:
            self._fault(FileCode.MISSING_COLUMN, number, column=name, wanted=name)
        self._lacks_columns = bool(missing)

    def _row(self, number: int, cells: list[str]) -> SettlementRow | None:
        if self._lacks_columns:
            return None
        if not self._is_open or not self._columns:
            self._fault(FileCode.BAD_SECTION, number, value="SB", why="no section or columns yet")
            return None
        if len(cells) != len(self._columns):
            self._fault(
                FileCode.ROW_SHAPE,
                number,
                found=str(len(cells)),
                wanted=str(len(self._columns)),
            )
            return None
        before = len(self.faults)
        made = self._made(number, {name: cells[at].strip() for name, at in self._columns.items()})
        return made if len(self.faults) == before else None

    def _made(self, number: int, cell: Mapping[str, str]) -> SettlementRow | None:
        currency = cell["gross transaction currency"].upper()
        if currency not in SCALES:
            self._fault(
                FileCode.UNKNOWN_CURRENCY,
                number,
                column="gross transaction currency",
                value=currency,
            )
            return None
        gross = self._signed(
            number, cell, "gross transaction amount", "transaction debit or credit"
        )
        fee = -self._signed(number, cell, "fee amount", "fee debit or credit")
        if fee and cell["fee currency"].upper() != currency:
            self._fault(
                FileCode.MIXED_CURRENCIES, number, column="fee currency", value=cell["fee currency"]
            )
        booked, settled = (
            self._when(number, cell, name)
            for name in ("transaction initiation date", "transaction completion date")
        )
        code = cell["transaction event code"]
        self._count(currency, gross, fee)
        category = _category(code, gross)
        is_payout = category is Category.PAYOUT
        return SettlementRow(
            row_no=number,
            category=category,
            psp_ref=cell["transaction id"][:200],
            merchant_ref=(cell["invoice id"] or cell.get("custom field", ""))[:200],
            payout_id=cell["transaction id"][:200] if is_payout else "",
            dispute_ref="",
            currency=currency,
            gross_minor=gross,
            fee_minor=fee,
            net_minor=gross - fee,
            net_currency=currency,
            fx_rate="",
            booked_at=booked,
            settled_at=settled,
            status="",
            raw_type=code[:40],
        )

    def _signed(self, number: int, cell: Mapping[str, str], amount: str, mark: str) -> int:
        """An unsigned count of minor units with the direction beside it; nothing is 0."""
        text, says = cell[amount], cell[mark].upper()
        if not text:
            return 0
        if not text.isascii() or not text.isdigit():
            signed = text[:1] in {"+", "-"} and text[1:].isdigit()
            code = FileCode.AMOUNT_SIGNED if signed else FileCode.NOT_AN_AMOUNT
            self._fault(code, number, column=amount, value=text)
            return 0
        if len(text) > _DIGITS_MAX or int(text) > MINOR_MAX:
            self._fault(FileCode.AMOUNT_TOO_LARGE, number, column=amount, value=text)
            return 0
        minor = int(text)
        if minor and says not in {"DR", "CR"}:
            self._fault(FileCode.BAD_SIGN, number, column=mark, value=says)
        return -minor if says == "DR" else minor

    def _when(self, number: int, cell: Mapping[str, str], name: str) -> datetime:
        try:
            return _instant(cell[name])
        except ValueError:
            self._fault(FileCode.BAD_DATE, number, column=name, value=cell[name])
            return _NEVER

    def _count(self, currency: str, gross: int, fee: int) -> None:
        for sums in (self._section[currency], self._report[currency]):
            sums[0 if gross >= 0 else 1] += abs(gross)
            sums[3 if fee >= 0 else 2] += abs(fee)
        self._in_section += 1
        self._in_report += 1
        self._counts[currency] += 1

    def _compare(self, number: int, kind: str, cells: Sequence[str]) -> None:
        """A footer of one currency against the rows."""
        currency = cells[1].strip().upper() if len(cells) > 1 else ""
        found = (self._section if kind == "SF" else self._report).get(currency, [0, 0, 0, 0])
        (self._said_of_section if kind == "SF" else self._said_of_report).add(currency)
        for place, name in enumerate(_SUMS):
            said = cells[place + 2].strip() if len(cells) > place + 2 else ""
            if not (said.isascii() and said.isdigit()) or int(said) != found[place]:
                self._fault(
                    FileCode.CONTROL_TOTAL,
                    number,
                    column=f"{kind} {currency} {name}",
                    value=said,
                    said=said,
                    found=str(found[place]),
                )

    def _compare_count(self, number: int, kind: str, cells: Sequence[str]) -> None:
        found = self._in_section if kind == "SC" else self._in_report
        said = cells[1].strip() if len(cells) > 1 else ""
        if said != str(found):
            self._fault(
                FileCode.CONTROL_TOTAL,
                number,
                column=kind,
                value=said,
                said=said,
                found=str(found),
            )
        if kind == "RC":
            self._is_ended = True


def _category(code: str, gross: int) -> Category:
    types = _types()
    named = next((types[code[:end]] for end in range(len(code), 0, -1) if code[:end] in types), "")
    if named == "by_sign":
        return Category.DEPOSIT if gross >= 0 else Category.WITHDRAWAL
    return Category(named) if named else Category.OTHER


def _instant(text: str) -> datetime:
    try:
        found = datetime.strptime(text.strip(), _INSTANT).astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None
    if found.year not in YEARS:
        raise ValueError(text)
    return found

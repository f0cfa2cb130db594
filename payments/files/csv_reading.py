"""CSV files of providers, by mapping: read in columns, all cells checked, whole or not at all."""

from __future__ import annotations

import csv as plain_csv
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
from django.conf import settings

from kernel.money import SCALES, Money
from payments.files import amounts, columnar, plain_text, rows
from payments.files.csv_sql import TEXT_MAX, Check, Planner
from payments.files.mapping import Column, Csv, heading, is_zone
from payments.files.parsed import YEARS, Parsed, Staged
from payments.files.plain_text import Shape, Text
from payments.files.rows import literal
from payments.files.words import FAULTS_MAX, Fault, FileCode, FileKind, FileRefused, fault

logger = logging.getLogger(__name__)

LINE_BYTES_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 300
ZONES_MAX: Final = 60
SEQUENCE_DIGITS: Final = 18
REJECTS_MAX: Final = 1_000
#: What the engine calls a line that it does not take.
_REJECTED: Final = {
    "UNQUOTED VALUE": FileCode.QUOTES,
    "MISSING COLUMNS": FileCode.ROW_SHAPE,
    "TOO MANY COLUMNS": FileCode.ROW_SHAPE,
    "LINE SIZE OVER MAXIMUM": FileCode.TEXT_TOO_LONG,
}


def read(staged: Staged, place: Path, csv: Csv) -> Parsed:
    """The rows of ``staged`` by ``csv``. Raises ``FileRefused`` with every kind of fault found."""
    shape = Shape(
        csv.encoding,
        csv.quote,
        head=csv.head.start if csv.head else "",
        totals=csv.totals.start if csv.totals else "",
    )
    text = plain_text.separate(staged.path, place / "body.csv", shape)
    headings, notes = _headings(csv, text)
    engine = columnar.connect(place)
    try:
        return _Reading(engine, csv, text, headings).parsed(place / "rows.parquet", notes)
    except duckdb.Error as error:
        logger.exception("the columnar engine gave up on a file")
        why = str(error).partition("\n")[0]
        raise FileRefused(fault(FileCode.UNREADABLE, why=why)) from error
    finally:
        engine.close()


def cells(line: str, csv: Csv) -> list[str]:
    """One line as its cells."""
    reader = plain_csv.reader([line], delimiter=csv.delimiter, quotechar=csv.quote, strict=True)
    try:
        return next(reader)
    except (plain_csv.Error, StopIteration):
        return []


def lacking(csv: Csv, headings: Iterable[str]) -> list[Column]:
    """Required columns that a file with these headings does not have."""
    there = set(headings)
    return [one for one in csv.columns if one.required and not there.intersection(one.names)]


def _headings(csv: Csv, text: Text) -> tuple[list[str], list[Fault]]:
    """The headings as compared, and those nobody knows as notes."""
    row = text.first_row
    if csv.head and not text.before:
        raise FileRefused(fault(FileCode.MISSING_HEAD, row=1, wanted=csv.head.start))
    shown = cells(text.headings, csv)
    found = [heading(one) for one in shown]
    faults = [
        fault(FileCode.DUPLICATE_COLUMN, row=row, column=name)
        for name, times in Counter(found).items()
        if times > 1 and name
    ]
    missing = {" or ".join(one.names) for one in lacking(csv, found)}
    faults += [
        fault(FileCode.MISSING_COLUMN, row=row, column=name, wanted=name)
        for name in sorted(missing)
    ]
    if not found or len(found) > COLUMNS_MAX:
        faults.append(fault(FileCode.QUOTES, row=row, value=text.headings))
    if faults:
        raise FileRefused(faults)
    known = {name for one in csv.columns for name in one.names} | csv.ignored
    new = [name for name in shown if heading(name) not in known]
    return found, [fault(FileCode.NEW_COLUMN, row=row, column=name) for name in new]


class _Reading:
    """One file being read."""

    def __init__(
        self, engine: duckdb.DuckDBPyConnection, csv: Csv, text: Text, headings: Sequence[str]
    ) -> None:
        self._engine, self._csv, self._text, self._headings = engine, csv, text, headings
        #: The number, in the file, of the first row after the headings.
        self._first = text.first_row + 1

    def parsed(self, path: Path, notes: list[Fault]) -> Parsed:
        self._type_rows()
        count = self._count()
        totals = self._totals()
        source, sequence, period = self._head(notes)
        self._control()
        self._keep(path)
        return Parsed(
            kind=FileKind.SETTLEMENT,
            format=self._csv.name,
            version=self._csv.version,
            rows=count,
            rows_file=path,
            source=source or self._csv.provider,
            period=period or self._period(),
            sequence=sequence,
            totals=totals,
            notes=tuple(notes + self._notes),
        )

    # Cells

    def _given(self, *, rejects: bool = False) -> str:
        """The file's cells as the engine reads them: all texts, empty ones too."""
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(self._headings)))
        kept = f", store_rejects = true, rejects_limit = {REJECTS_MAX}" if rejects else ""
        return (
            f"read_csv({literal(str(self._text.body))}, columns = {{{columns}}},"
            f" auto_detect = false, header = true, delim = {literal(self._csv.delimiter)},"
            f" quote = {literal(self._csv.quote)}, escape = {literal(self._csv.quote)},"
            f" nullstr = '\x01',"
            f" max_line_size = {LINE_BYTES_MAX}, strict_mode = true{kept})"
        )

    def _refuse_rejected(self) -> None:
        """Refuse lines that are no rows; of each line what the engine said first."""
        rejected = self._engine.execute(
            "FROM reject_errors SELECT line, arg_min(error_type::VARCHAR, column_idx),"
            " any_value(csv_line), arg_min(error_message, column_idx)"
            " GROUP BY line ORDER BY line LIMIT ?",
            [FAULTS_MAX],
        ).fetchall()
        if rejected:
            raise FileRefused([self._rejected(*one) for one in rejected])

    def _rejected(self, line: int, kind: str, shown: str | None, why: str) -> Fault:
        code = _REJECTED.get(kind, FileCode.ROW_SHAPE)
        number = line + self._text.first_row - 1
        found = why.rpartition("Found: ")[2]
        return fault(
            code,
            row=number,
            value=shown or "",
            found=found,
            wanted=len(self._headings),
            most=LINE_BYTES_MAX,
        )

    def _count(self) -> int:
        count = int(self._value("SELECT count(*) FROM typed"))
        if count != self._text.rows:  # an engine that drops a row silently would be believed
            code = FileCode.QUOTES if self._text.is_open else FileCode.ROWS_LOST
            raise FileRefused(fault(code, found=count, wanted=self._text.rows))
        if count > settings.RECONCILIATION_ROWS_MAX:
            raise FileRefused(fault(FileCode.TOO_MANY_ROWS, most=settings.RECONCILIATION_ROWS_MAX))
        return count

    # Rows

    def _type_rows(self) -> None:
        planner = Planner(self._csv, self._headings)
        plan = planner.plan(self._zones(planner))
        given = self._given(rejects=True)
        self._engine.execute(f"CREATE TABLE typed AS WITH given AS (FROM {given}), {plan.select}")
        self._refuse_rejected()
        found = int(self._value("SELECT coalesce(bit_or(bad), 0) FROM typed"))
        faults: list[Fault] = []
        self._notes: list[Fault] = []
        if found:  # seldom: the cells once more, to show them
            self._engine.execute(f"CREATE TABLE raw AS FROM {self._given()}")
        for place, check in enumerate(plan.checks):
            if found >> place & 1:
                (self._notes if check.is_note else faults).extend(self._found(place, check))
        if faults:
            raise FileRefused(_first_causes(faults))

    def _zones(self, planner: Planner) -> dict[str, str]:
        """What this file's zone column says, as far as it is known."""
        times = self._csv.times
        if times.zone_column is None:
            return {}
        said = self._engine.execute(
            f"FROM {self._given()} SELECT DISTINCT trim({planner.cell(times.zone_column)})"
            f" LIMIT {ZONES_MAX}"
        ).fetchall()
        known = times.zones or {}
        found = {}
        for (word,) in said:
            meant = known.get(word.upper(), word)
            if is_zone(meant):
                found[word.upper()] = meant
        return found

    def _found(self, place: int, check: Check) -> list[Fault]:
        """The rows that a check has found, the first of them."""
        most = 1 if check.is_note else FAULTS_MAX
        currency = "currency" if check.currency.startswith("currency") else "net_currency"
        found = self._engine.execute(
            f"FROM (FROM typed SELECT rowid AS row_no, {currency} AS currency"
            f" WHERE bad & {1 << place}::UBIGINT <> 0 ORDER BY row_no LIMIT {most}) AS typed"
            f" JOIN (FROM raw SELECT rowid AS row_no, trim({check.cell}) AS cell) AS cells"
            f" USING (row_no) SELECT row_no + {self._first}, cell, currency ORDER BY row_no"
        ).fetchall()
        return [self._fault(check, *one) for one in found]

    def _fault(self, check: Check, row: int, cell: str, currency: str) -> Fault:
        code = check.code
        if code is FileCode.NOT_AN_AMOUNT:
            code = _amount_code(cell, currency, check)
        return fault(
            code, row=row, column=check.heading, value=cell, currency=currency, most=TEXT_MAX
        )

    def _totals(self) -> dict[str, dict[str, int]]:
        """Rows and gross per currency; fee and net per currency of the net."""
        found: dict[str, dict[str, int]] = {}
        for currency, count, gross in self._engine.execute(
            "SELECT currency, count(*), sum(gross_minor) FROM typed GROUP BY ALL ORDER BY ALL"
        ).fetchall():
            found[currency] = {"rows": count, "gross_minor": int(gross)} | {
                "fee_minor": 0, "net_minor": 0,
            }  # fmt: skip
        for currency, fee, net in self._engine.execute(
            "SELECT net_currency, sum(fee_minor), sum(net_minor) FROM typed GROUP BY ALL"
            " ORDER BY ALL"
        ).fetchall():
            one = found.setdefault(currency, {"rows": 0, "gross_minor": 0})
            one |= {"fee_minor": int(fee), "net_minor": int(net)}
        return found

    def _period(self) -> tuple[datetime, datetime] | None:
        first, last = self._engine.execute(
            "SELECT min(booked_at), max(booked_at) FROM typed"
        ).fetchall()[0]
        return None if first is None else (_aware(first), _aware(last))

    def _keep(self, path: Path) -> None:
        columns = ", ".join(
            f"rowid + {self._first} AS row_no" if name == "row_no" else name
            for name in rows.SETTLEMENT
        )
        self._engine.execute(f"CREATE VIEW kept AS FROM typed SELECT {columns}")
        rows.keep(self._engine, "kept", path)

    def _value(self, statement: str) -> Any:
        return self._engine.execute(statement).fetchall()[0][0]

    # What the file says of itself

    def _head(self, notes: list[Fault]) -> tuple[str, int | None, tuple[datetime, datetime] | None]:
        line = self._csv.head
        if line is None:
            return "", None, None
        said = dict(zip(line.fields, cells(self._text.before[0], self._csv)[1:], strict=False))
        sequence = said.get("sequence", "")
        is_number = sequence.isascii() and sequence.isdigit() and len(sequence) <= SEQUENCE_DIGITS
        if "sequence" in line.fields and not is_number:
            raise FileRefused(fault(FileCode.BAD_LINE, row=1, value=sequence, why="no number"))
        ends = [
            self._instant(said.get(word, ""))
            for word in ("period_from", "period_to")
            if word in line.fields
        ]
        period = (ends[0], ends[1]) if len(ends) == 2 else None
        return said.get("source", ""), int(sequence) if sequence else None, period

    def _instant(self, text: str) -> datetime:
        for one in (*self._csv.times.formats, "%Y-%m-%d"):
            try:
                found = datetime.strptime(text, one).replace(tzinfo=UTC)
            except ValueError:
                continue
            if found.year in YEARS:
                return found
        raise FileRefused(fault(FileCode.BAD_DATE, row=1, value=text))

    def _control(self) -> None:
        """What the file says its rows come to. Each currency of its rows has such a line."""
        line = self._csv.totals
        if line is None:
            return
        totals = self._by_currency()
        faults, said = [], set()
        first = self._first + int(self._value("SELECT count(*) FROM typed"))
        for place, found in enumerate(self._text.after):
            given = dict(zip(line.fields, cells(found, self._csv)[1:], strict=False))
            currency = given.get("currency", "").upper()
            said.add(currency)
            faults += self._compared(first + place, currency, given, totals.get(currency, {}))
        faults += [
            fault(FileCode.MISSING_TOTALS, column=currency, currency=currency)
            for currency in sorted(set(totals) - said)
        ]
        if faults:
            raise FileRefused(faults)

    def _by_currency(self) -> dict[str, dict[str, int]]:
        """Sums per currency of the rows, whatever currency their net is in."""
        names = ("rows", "gross_minor", "fee_minor", "net_minor")
        found = self._engine.execute(
            "FROM typed SELECT currency, count(*), sum(gross_minor), sum(fee_minor), sum(net_minor)"
            " GROUP BY ALL"
        ).fetchall()
        return {
            currency: dict(zip(names, map(int, sums), strict=True)) for currency, *sums in found
        }

    def _compared(
        self, row: int, currency: str, given: Mapping[str, str], found: Mapping[str, int]
    ) -> list[Fault]:
        if currency not in SCALES:
            return [fault(FileCode.UNKNOWN_CURRENCY, row=row, value=currency)]
        faults = []
        for word in ("rows", "gross", "fee", "net"):
            if word not in given:
                continue
            counted = found.get("rows" if word == "rows" else f"{word}_minor", 0)
            shown = str(counted) if word == "rows" else Money(counted, currency).decimal()
            try:
                says = (
                    int(given[word])
                    if word == "rows"
                    else amounts.minor(given[word], currency, self._csv.numbers)
                )
            except (ValueError, amounts.BadAmount):
                says = None
            if says != counted:
                faults.append(
                    fault(
                        FileCode.CONTROL_TOTAL,
                        row=row,
                        column=f"{word} {currency}",
                        value=given[word],
                        said=given[word][:40],
                        found=shown,
                    )
                )
        return faults


def _first_causes(faults: list[Fault]) -> list[Fault]:
    """In the file's order; that a sum does not add up is no news where its parts are no amounts."""
    broken = {one.row for one in faults if one.code is not FileCode.BAD_NET}
    left = [one for one in faults if one.code is not FileCode.BAD_NET or one.row not in broken]
    return sorted(left, key=lambda one: one.row or 0)


def _amount_code(cell: str, currency: str, check: Check) -> FileCode:
    """What exactly is wrong with an amount: the same rule, cell by cell."""
    try:
        amounts.minor(cell, currency if currency in SCALES else "EUR", check.numbers)
    except amounts.BadAmount as bad:
        return bad.code
    return FileCode.NOT_AN_AMOUNT


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)

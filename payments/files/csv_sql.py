"""A mapping and the headings of one file, as SQL of the columnar engine.

Cells are known as ``c0``, ``c1``, …; whatever a file says stands in cells, and never in the
statement. What a row must be is a `Check`: a condition that is true where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kernel.invariant import ensure
from kernel.money import MINOR_MAX, SCALES
from payments.files.amounts import DECIMALS, Numbers, pattern
from payments.files.mapping import REFERENCES, Amount, Column, Csv
from payments.files.parsed import YEARS
from payments.files.rows import SETTLEMENT, Category, literal
from payments.files.words import FileCode

TEXT_MAX: Final = 200
#: Beginnings of a cell that a spreadsheet takes for a formula, as codes of = + - @ and tab.
FORMULA: Final = "61, 43, 45, 64, 9"
#: The checks of a row are the bits of one number.
CHECKS_MAX: Final = 64
PLAIN: Final = Numbers()
#: Currencies that are looked for first.
_OFTEN: Final = frozenset({"EUR", "GBP", "USD"})


@dataclass(frozen=True, slots=True)
class Check:
    """What is wrong (or, as a note, odd) with rows where ``where`` is true, and in which cell."""

    code: FileCode
    where: str
    cell: str
    heading: str
    is_note: bool = False
    #: Of an amount: its currency's expression and how it is written, to say what is wrong with it.
    currency: str = ""
    numbers: Numbers = PLAIN


@dataclass(slots=True)
class Plan:
    """The statement that makes rows out of cells, and what to look for afterwards."""

    select: str
    checks: list[Check] = field(default_factory=list)


class Planner:
    """Builds the statement for files with these headings (`mapping.heading`), in their order."""

    def __init__(self, csv: Csv, headings: Sequence[str]) -> None:
        self._csv = csv
        self._at = {name: number for number, name in enumerate(headings)}
        self._checks: list[Check] = []
        #: Layers of the statement: cells, then what rests on them. Name → expression.
        self._cells: dict[str, str] = {}
        self._read: dict[str, str] = {}

    def plan(self, zones: Mapping[str, str]) -> Plan:
        """``zones``: what this file's zone column says → the zone or offset that it is."""
        self._kind()
        self._currencies()
        self._times(zones)
        for name, columns in self._csv.references.items():
            self._reference(name, columns)
        for name, amount in self._csv.amounts.items():
            self._amount(name, amount)
        self._sums()
        return Plan(self._statement(), self._checks)

    # Cells

    def cell(self, column: Column) -> str:
        """The cell of a column without spaces around, '' where it is empty or the file has none."""
        number = self._number(column)
        return "''" if number is None else f"c{number}"

    def heading(self, column: Column) -> str:
        """The column's heading in this file."""
        return next((name for name in column.names if name in self._at), column.names[0])

    def _number(self, column: Column) -> int | None:
        return next((self._at[name] for name in column.names if name in self._at), None)

    def _has(self, column: Column) -> bool:
        return self._number(column) is not None

    def _choice(self, columns: Sequence[Column]) -> str:
        """The first of them that is not empty, of those that are meant for the row's category."""
        found = [self._choosable(one) for one in columns if self._has(one)]
        return f"coalesce({', '.join([*found, literal('')])})"

    def _choosable(self, column: Column) -> str:
        cell = f"nullif({self.cell(column)}, '')"
        if column.text != "{}":
            before, after = column.text.split("{}")
            cell = f"{literal(before)} || {cell} || {literal(after)}"
        if column.categories:
            named = ", ".join(literal(one.value) for one in sorted(column.categories))
            cell = f"CASE WHEN category IN ({named}) THEN {cell} END"
        return cell

    # Parts of a row

    def _kind(self) -> None:
        csv = self._csv
        cell = self.cell(csv.type)
        self._cells["raw_type"] = cell
        whens = " ".join(
            f"WHEN {literal(theirs)} THEN {literal(ours.value)}"
            for theirs, ours in csv.types.items()
        )
        other = literal(Category.OTHER.value)
        self._cells["category"] = f"CASE lower({cell}) {whens} ELSE {other} END" if whens else other
        self._must_be_filled(csv.type)
        self._must_be_short(csv.type)
        known = ", ".join(literal(one) for one in csv.types) or "''"
        self._check(
            FileCode.UNKNOWN_TYPE,
            f"raw_type <> '' AND lower(raw_type) NOT IN ({known})",
            csv.type,
            is_note=not csv.refuse_other_types,
        )

    def _currencies(self) -> None:
        """Which currency a row is in says a column, so each is there before amounts are read."""
        for name, columns in (
            ("currency", self._csv.currency),
            ("net_currency", self._csv.net_currency),
        ):
            self._cells[f"{name}_given"] = f"upper({self._choice(columns)})"
            self._check(FileCode.MISSING_VALUE, f"{name}_given = ''", columns[0])
            self._check(
                FileCode.UNKNOWN_CURRENCY, f"{name}_unit IS NULL AND {name}_given <> ''", columns[0]
            )
            often = sorted(SCALES, key=lambda code: (code not in _OFTEN, code))
            powers = " ".join(f"WHEN {literal(code)} THEN {10 ** SCALES[code]}" for code in often)
            self._read[f"{name}_unit"] = f"CASE {name}_given {powers} END"

    def _times(self, zones: Mapping[str, str]) -> None:
        times = self._csv.times
        formats = ", ".join(literal(one) for one in times.formats)
        zone = literal(times.zone)
        if times.zone_column is not None:
            zone = "zone"
            self._cells["zone"] = f"upper({self.cell(times.zone_column)})"
            known = ", ".join(literal(one) for one in zones) or "''"
            self._check(FileCode.BAD_TIME_ZONE, f"zone NOT IN ({known})", times.zone_column)
        else:
            zones = {times.zone: times.zone}
        for name, column in (
            ("booked_at", self._csv.booked_at),
            ("settled_at", self._csv.settled_at),
        ):
            if column is None or not self._has(column):
                self._read[name] = "NULL::TIMESTAMP"
                continue
            cell = self.cell(column)
            self._cells[f"{name}_local"] = f"try_strptime({cell}, [{formats}])"
            self._read[name] = _utc(f"{name}_local", zone, zones)
            if column.filled:
                self._must_be_filled(column)
            is_sound = f"year({name}_local) BETWEEN {YEARS[0]} AND {YEARS[-1]}"
            self._check(FileCode.BAD_DATE, f"NOT coalesce({is_sound}, {cell} = '')", column)

    def _reference(self, name: str, columns: Sequence[Column]) -> None:
        self._read[name] = self._choice(columns)
        for column in columns:
            if not self._has(column):
                continue
            cell = self.cell(column)
            if column.filled:
                self._must_be_filled(column)
            self._must_be_short(column)
            self._check(
                FileCode.FORMULA,
                f"ascii({cell}) IN ({FORMULA}) AND strlen({cell}) > 1",
                column,
                is_note=True,
            )

    def _amount(self, name: str, amount: Amount) -> None:
        there = [one for one in amount.columns if self._has(one)]
        if not there:
            self._read[f"{name}_sum"] = "0::BIGINT"
            return
        numbers = Numbers(
            self._csv.numbers.decimal, self._csv.numbers.thousands, unsigned=amount.unsigned
        )
        terms, is_one = [], len(there) == 1
        for place, column in enumerate(amount.columns):
            if not self._has(column):
                continue
            part = f"{name}_{place}"
            self._part(part, column, amount, numbers)
            sign = "-" if place >= len(amount.add) else "+"
            wide = part if is_one else f"{part}::HUGEINT"
            terms.append(f"{sign} coalesce({wide}, 0)")
        whole = f"({' '.join(terms).removeprefix('+ ')})"
        self._read[f"{name}_sum"] = self._directed(amount, whole)
        cells = [self.cell(one) for one in there]
        empty = " AND ".join(f"{cell} = ''" for cell in cells)
        self._read[f"{name}_empty"] = f"({empty})"
        if not amount.may_be_empty:
            self._check(FileCode.MISSING_VALUE, f"{name}_empty", there[0])

    def _part(self, part: str, column: Column, amount: Amount, numbers: Numbers) -> None:
        """One cell in minor units; NULL where it is empty or no amount that we hold exactly.

        Nearly all amounts have two decimals and few digits: those take the short way.
        """
        cell, unit = self.cell(column), f"{amount.currency}_unit"
        short = f"replace({cell}, {literal(numbers.decimal)}, '')"
        plain = cell
        if numbers.thousands:
            plain = f"replace({plain}, {literal(numbers.thousands)}, '')"
        if numbers.decimal != ".":
            plain = f"replace({plain}, {literal(numbers.decimal)}, '.')"
        exact = f"(TRY_CAST({plain} AS DECIMAL(38, {DECIMALS})) * {unit})"
        self._read[part] = (
            f"CASE WHEN {unit} = 100 AND regexp_full_match({cell}, {literal(_short(numbers))})"
            f" THEN TRY_CAST({short} AS BIGINT)"
            f" WHEN regexp_full_match({cell}, {literal(pattern(numbers))})"
            f" AND {exact} = {exact}::HUGEINT AND abs({exact}::HUGEINT) <= {MINOR_MAX}"
            f" THEN TRY_CAST({exact}::HUGEINT AS BIGINT) END"
        )
        self._checks.append(
            Check(
                FileCode.NOT_AN_AMOUNT,
                f"{part} IS NULL AND {cell} <> '' AND {unit} IS NOT NULL",
                cell,
                self.heading(column),
                currency=f"{amount.currency}_given",
                numbers=numbers,
            )
        )

    def _directed(self, amount: Amount, whole: str) -> str:
        direction = amount.direction
        if direction is None:
            return whole
        says = f"lower({self.cell(direction.column)})"
        debit, credit = (
            ", ".join(literal(one) for one in sorted(words))
            for words in (direction.debit, direction.credit)
        )
        self._check(FileCode.BAD_SIGN, f"{says} NOT IN ({debit}, {credit})", direction.column)
        return f"CASE WHEN {says} IN ({debit}) THEN -{whole} ELSE {whole} END"

    def _sums(self) -> None:
        """Gross, fee and net of the row, and that they agree."""
        csv = self._csv
        for name, value in self._amounts():
            self._read[name] = f"TRY_CAST({value} AS BIGINT)"
            column = csv.amounts.get(name.removesuffix("_minor"), csv.gross).columns[0]
            self._check(
                FileCode.AMOUNT_TOO_LARGE, f"{name} IS NULL OR abs({name}) > {MINOR_MAX}", column
            )
        if csv.net is None or csv.fee is None:
            return
        differs = "currency_given = net_currency_given AND gross_sum::HUGEINT - fee_sum <> net_sum"
        if csv.gross.may_be_empty:
            differs += " AND NOT gross_empty"
        self._check(
            FileCode.BAD_NET, differs, csv.net.columns[0], is_note=csv.net_check != "refuse"
        )

    def _must_be_short(self, column: Column) -> None:
        cell = self.cell(column)
        self._check(
            FileCode.TEXT_TOO_LONG,
            f"strlen({cell}) > {TEXT_MAX} AND length({cell}) > {TEXT_MAX}",
            column,
        )

    # The statement

    def _must_be_filled(self, column: Column) -> None:
        self._check(FileCode.MISSING_VALUE, f"{self.cell(column)} = ''", column)

    def _check(self, code: FileCode, where: str, column: Column, *, is_note: bool = False) -> None:
        self._checks.append(Check(code, where, self.cell(column), self.heading(column), is_note))

    def cells(self) -> str:
        """The cells that the mapping reads, without spaces around."""
        numbers = {self._number(one) for one in self._csv.columns}
        used = sorted(number for number in numbers if number is not None)
        return ", ".join(f"coalesce(trim(c{number}), '') AS c{number}" for number in used)

    def _statement(self) -> str:
        marks = " | ".join(
            f"(CASE WHEN {check.where} THEN {1 << place}::UBIGINT ELSE 0 END)"
            for place, check in enumerate(self._checks)
        )
        ensure(len(self._checks) <= CHECKS_MAX, "a mapping has few columns", name=self._csv.name)
        columns = ", ".join(
            f"{self._column(name)} AS {name}" for name in SETTLEMENT if name != "row_no"
        )
        layers = {
            "cells": ("given", self.cells()),
            "kinds": ("cells", f"*, {_named(self._cells)}"),
            "units": ("kinds", f"*, {_named(self._ending('_unit'))}"),
            "parts": ("units", f"*, {_named(self._parts())}"),
            "sums": ("parts", f"*, {_named(self._ending('_sum'))}"),
            "whole": ("sums", f"*, {_named(self._ending('_minor'))}"),
        }
        below = ", ".join(
            f"{name} AS (FROM {of} SELECT {what})" for name, (of, what) in layers.items()
        )
        return f"{below} FROM whole SELECT {columns}, {marks} AS bad"

    def _column(self, name: str) -> str:
        """A column of ours: read, or empty where the mapping has none for it."""
        if name in REFERENCES and name not in self._csv.references:
            return "''"
        return f"{name}_given" if name in {"currency", "net_currency"} else name

    def _ending(self, with_: str) -> dict[str, str]:
        return {name: one for name, one in self._read.items() if name.endswith(with_)}

    def _parts(self) -> dict[str, str]:
        later = ("_unit", "_sum", "_minor")
        return {name: one for name, one in self._read.items() if not name.endswith(later)}

    def _amounts(self) -> Iterator[tuple[str, str]]:
        """Gross, fee and net of a row, wide enough that nothing overflows on the way."""
        csv, one_currency = self._csv, "currency_given = net_currency_given"
        fee = "fee_sum" if csv.fee else "0::BIGINT"
        net = "net_sum" if csv.net else f"gross_sum::HUGEINT - {fee}"
        gross = "gross_sum"
        if csv.net and csv.gross.may_be_empty:
            gross = f"CASE WHEN gross_empty THEN net_sum::HUGEINT + {fee} ELSE gross_sum END"
        between = f"({gross})::HUGEINT - net_sum"
        if csv.net and csv.net_check == "fee":
            fee = f"CASE WHEN {one_currency} THEN {between} ELSE {fee} END"
        elif csv.net and not csv.fee:
            fee = f"CASE WHEN {one_currency} THEN {between} ELSE 0 END"
        yield from (("gross_minor", gross), ("fee_minor", fee), ("net_minor", net))


def _named(expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{one} AS {name}" for name, one in expressions.items())


def _short(numbers: Numbers) -> str:
    """Amounts with two decimals that are whole numbers of 64 bits without their mark."""
    return f"{'' if numbers.unsigned else '-?'}[0-9]{{1,15}}{re.escape(numbers.decimal)}[0-9]{{2}}"


def _utc(local: str, zone: str, zones: Mapping[str, str]) -> str:
    """A local time as UTC: by offset, or by the rules of a named zone."""
    if set(zones.values()) == {"UTC"}:
        return local
    whens = " ".join(
        f"WHEN {literal(word)} THEN {_shifted(local, meant)}" for word, meant in zones.items()
    )
    return f"CASE {zone} {whens} END" if whens else "NULL::TIMESTAMP"


def _shifted(local: str, zone: str) -> str:
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[4:6])
        return f"{local} {'-' if zone[0] == '+' else '+'} INTERVAL {minutes} MINUTE"
    return f"timezone('UTC', timezone({literal(zone)}, {local}))"

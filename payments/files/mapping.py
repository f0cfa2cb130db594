"""How a provider writes its CSV, as data: which of its columns is which of ours.

A mapping is a YAML file, read strictly: an odd one is ``BadMapping`` and stops the start, not the
import at night. Those beside this file come with Faro; an operator's own lie in a folder of theirs
(docs/operations.md, "A provider of your own").
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from payments.files.amounts import Numbers
from payments.files.rows import Category

FORMAT: Final = 1
BYTES_MAX: Final = 64 * 1024
#: Text columns of ours that a mapping fills, beside type, currencies, amounts and times.
REFERENCES: Final = ("psp_ref", "merchant_ref", "payout_id", "dispute_ref", "fx_rate", "status")
HEAD_FIELDS: Final = frozenset({"source", "period_from", "period_to", "sequence", "skip"})
TOTAL_FIELDS: Final = frozenset({"currency", "rows", "gross", "fee", "net", "skip"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,39}")
_OFFSET: Final = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_TIME: Final = re.compile(r"(?:%[YymdHMSfbBpI]|[^%'\\])+")


class BadMapping(Exception):
    """A mapping that says something we do not understand."""

    def __init__(self, source: str, where: str, why: str) -> None:
        super().__init__(f"{source}: {where}: {why}")


@dataclass(frozen=True, slots=True)
class Column:
    """One of theirs by any of ``names``. ``required``: a file without it is refused; ``filled``: a
    row that leaves it empty is; ``categories``: of these rows alone (none: of all). ``text`` is
    what becomes of a cell: ``{}`` stands for it.
    """

    names: tuple[str, ...]
    required: bool = True
    filled: bool = False
    categories: frozenset[Category] = frozenset()
    text: str = "{}"


@dataclass(frozen=True, slots=True)
class Direction:
    """A column that says debit (money away from us) or credit."""

    column: Column
    debit: frozenset[str]
    credit: frozenset[str]


@dataclass(frozen=True, slots=True)
class Amount:
    """The sum of some columns less that of others. ``may_be_empty``: rows may leave all empty."""

    add: tuple[Column, ...]
    subtract: tuple[Column, ...] = ()
    currency: str = "currency"
    direction: Direction | None = None
    unsigned: bool = False
    may_be_empty: bool = False

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.add + self.subtract


@dataclass(frozen=True, slots=True)
class Times:
    """How instants are written: formats to try in order, and where they are meant."""

    formats: tuple[str, ...]
    zone: str = "UTC"
    zone_column: Column | None = None
    #: What a zone column may say beside names of zones: an abbreviation → offset or zone.
    zones: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line before the headings or after the rows: its start, and its cells after the first."""

    start: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Csv:
    """One mapping. ``version`` names its text: a changed mapping is told from the former."""

    name: str
    version: str
    title: str
    provider: str
    encoding: str
    delimiter: str
    quote: str
    first_line: str
    headings: tuple[str, ...]
    #: Headings that a file of this mapping does not have, where another is much like it.
    without: tuple[str, ...]
    head: Line | None
    totals: Line | None
    numbers: Numbers
    times: Times
    type: Column
    types: Mapping[str, Category]
    refuse_other_types: bool
    currency: tuple[Column, ...]
    net_currency: tuple[Column, ...]
    references: Mapping[str, tuple[Column, ...]]
    booked_at: Column
    settled_at: Column | None
    gross: Amount
    fee: Amount | None
    net: Amount | None
    #: What is done where net is not gross less fee, both in one currency: refuse, note, or
    #: ``fee``: the fee is what is between gross and net, whatever its columns say.
    net_check: str
    ignored: frozenset[str]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column the mapping reads."""
        found = [self.type, *self.currency, *self.net_currency, self.booked_at]
        found += [one for columns in self.references.values() for one in columns]
        found += [self.settled_at] if self.settled_at else []
        found += [self.times.zone_column] if self.times.zone_column else []
        for amount in self.amounts.values():
            found += amount.columns
            found += [amount.direction.column] if amount.direction else []
        return tuple(found)

    @property
    def amounts(self) -> dict[str, Amount]:
        named = {"gross": self.gross, "fee": self.fee, "net": self.net}
        return {name: one for name, one in named.items() if one is not None}


def heading(text: str) -> str:
    """A heading as it is compared: case, spaces around and doubled ones do not matter."""
    return " ".join(text.casefold().split())


def read(source: str, text: str) -> Csv:
    """One mapping. Raises ``BadMapping``."""
    if len(text) > BYTES_MAX:
        raise BadMapping(source, "file", "too large")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadMapping(source, "file", f"not YAML: {error}") from None
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    given = _Given(source, "file", found, _WANTED | _OFFERED)
    if given.plain("format") != FORMAT:
        raise BadMapping(source, "format", f"must be {FORMAT}")
    try:
        return _mapping(given, digest)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BadMapping(source, "file", str(error)) from error


_WANTED: Final = frozenset({"format", "name", "version", "title", "detect", "columns", "amounts"})
_OFFERED: Final = frozenset(
    {
        *("provider", "encoding", "delimiter", "quote", "head", "totals", "numbers", "times"),
        *("types", "other_types", "net_check", "ignored"),
    }
)
_COLUMNS: Final = frozenset({"type", "currency", "net_currency", "booked_at", "settled_at"})


@dataclass(frozen=True, slots=True)
class _Given:
    """A part of a mapping as it was written; a word that nobody reads is a mistake."""

    source: str
    where: str
    found: Any
    known: frozenset[str]

    def __post_init__(self) -> None:
        if not isinstance(self.found, dict):
            raise BadMapping(self.source, self.where, "must be a list of words and values")
        if odd := sorted(map(str, set(self.found) - self.known)):
            raise BadMapping(self.source, self.where, f"unknown: {', '.join(odd)}")

    def plain(self, word: str, default: Any = None) -> Any:
        if word not in self.found and default is None:
            raise BadMapping(self.source, self.where, f"{word} is missing")
        return self.found.get(word, default)

    def text(self, word: str, default: str | None = None) -> str:
        value = self.plain(word, default)
        if not isinstance(value, str):
            raise BadMapping(self.source, self.where, f"{word} must be a text")
        return value

    def flag(self, word: str, *, default: bool) -> bool:
        value = self.found.get(word, default)
        if not isinstance(value, bool):
            raise BadMapping(self.source, self.where, f"{word} must be true or false")
        return value

    def texts(self, word: str, default: Any = None) -> tuple[str, ...]:
        value = self.plain(word, default)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise BadMapping(self.source, self.where, f"{word} must be a list of texts")
        return tuple(value)

    def one_of(self, word: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(word, default)
        if value not in allowed:
            raise BadMapping(self.source, f"{self.where} {word}", f"one of {', '.join(allowed)}")
        return value

    def part(self, word: str, known: frozenset[str], found: Any = None) -> _Given:
        return _Given(self.source, word, self.plain(word) if found is None else found, known)

    def parts(self, word: str, read: Callable[[_Given], Any], known: frozenset[str]) -> Any:
        value = self.plain(word)
        listed = value if isinstance(value, list) else [value]
        return tuple(read(_Given(self.source, word, one, known)) for one in listed)


def _mapping(given: _Given, digest: str) -> Csv:
    columns = given.part("columns", _COLUMNS | frozenset(REFERENCES))
    amounts = given.part("amounts", frozenset({"gross", "fee", "net"}))
    detect = given.part("detect", frozenset({"first_line", "headings", "without"}))
    currency = columns.parts("currency", _column, _COLUMN)
    made = Csv(
        name=_name(given),
        version=f"{given.plain('version')}-{digest}",
        title=given.text("title"),
        provider=given.text("provider", ""),
        encoding=_encoding(given),
        delimiter=given.one_of("delimiter", (",", ";", "\t", "|"), ","),
        quote=given.one_of("quote", ('"', "'"), '"'),
        first_line=detect.text("first_line", ""),
        headings=tuple(heading(one) for one in detect.texts("headings", [])),
        without=tuple(heading(one) for one in detect.texts("without", [])),
        head=_line(given, "head", HEAD_FIELDS),
        totals=_line(given, "totals", TOTAL_FIELDS),
        numbers=_numbers(given),
        times=_times(given),
        type=columns.parts("type", _filled, _COLUMN)[0],
        types=_types(given),
        refuse_other_types=given.one_of("other_types", ("refuse", "other"), "refuse") == "refuse",
        currency=currency,
        net_currency=columns.parts("net_currency", _column, _COLUMN)
        if "net_currency" in columns.found
        else currency,
        references={
            name: columns.parts(name, _column, _COLUMN)
            for name in REFERENCES
            if name in columns.found
        },
        booked_at=columns.parts("booked_at", _filled, _COLUMN)[0],
        settled_at=columns.parts("settled_at", _column, _COLUMN)[0]
        if "settled_at" in columns.found
        else None,
        gross=_amount(amounts, "gross"),
        fee=_amount(amounts, "fee") if "fee" in amounts.found else None,
        net=_amount(amounts, "net") if "net" in amounts.found else None,
        net_check=given.one_of("net_check", ("refuse", "note", "fee"), "refuse"),
        ignored=frozenset(heading(one) for one in given.texts("ignored", [])),
    )
    if not made.first_line and not made.headings:
        raise BadMapping(given.source, "detect", "say how a file is known: a line or headings")
    return made


def _name(given: _Given) -> str:
    name = given.text("name")
    if not _NAME.fullmatch(name):
        raise BadMapping(given.source, "name", "small letters, digits and _")
    return name


def _encoding(given: _Given) -> str:
    name = given.text("encoding", "utf-8")
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise BadMapping(given.source, "encoding", f"{name!r} is none") from None


_COLUMN: Final = frozenset({"names", "required", "filled", "categories", "text"})


def _column(given: _Given, *, filled: bool = False) -> Column:
    text = given.text("text", "{}")
    if text.count("{}") != 1:
        raise BadMapping(given.source, given.where, "text has {} once")
    return Column(
        names=tuple(heading(one) for one in given.texts("names")),
        required=given.flag("required", default=True),
        filled=given.flag("filled", default=filled),
        categories=frozenset(Category(one) for one in given.texts("categories", [])),
        text=text,
    )


def _filled(given: _Given) -> Column:
    return _column(given, filled=True)


_AMOUNT: Final = frozenset({"add", "subtract", "currency", "direction", "unsigned", "may_be_empty"})


def _amount(amounts: _Given, name: str) -> Amount:
    given = amounts.part(name, _AMOUNT)
    made = Amount(
        add=given.parts("add", _column, _COLUMN),
        subtract=given.parts("subtract", _column, _COLUMN) if "subtract" in given.found else (),
        currency=given.one_of("currency", ("currency", "net_currency"), "currency"),
        direction=_direction(given) if "direction" in given.found else None,
        unsigned=given.flag("unsigned", default=False),
        may_be_empty=given.flag("may_be_empty", default=False),
    )
    if made.direction and (made.subtract or not made.unsigned):
        raise BadMapping(given.source, name, "with a direction, amounts are unsigned and added")
    return made


def _direction(given: _Given) -> Direction:
    found = given.part("direction", frozenset({"names", "debit", "credit"}))
    column = Column(tuple(heading(one) for one in found.texts("names")), filled=True)
    debit, credit = (
        frozenset(one.casefold() for one in found.texts(word)) for word in ("debit", "credit")
    )
    if not debit or not credit or debit & credit:
        raise BadMapping(given.source, "direction", "debit and credit are two lists of words")
    return Direction(column, debit, credit)


def _numbers(given: _Given) -> Numbers:
    if "numbers" not in given.found:
        return Numbers()
    found = given.part("numbers", frozenset({"decimal", "thousands"}))
    made = Numbers(
        decimal=found.one_of("decimal", (".", ","), "."),
        thousands=found.one_of("thousands", ("", ".", ",", " ", "'", "\u00a0", "\u202f"), ""),
    )
    if made.decimal == made.thousands:
        raise BadMapping(given.source, "numbers", "two different signs")
    return made


def _times(given: _Given) -> Times:
    found = given.part("times", frozenset({"formats", "zone", "zone_column", "zones"}))
    formats = found.texts("formats")
    if not formats or not all(_TIME.fullmatch(one) for one in formats):
        raise BadMapping(given.source, "times", "formats such as %Y-%m-%d %H:%M:%S")
    zones = found.plain("zones", {})
    if not isinstance(zones, dict) or not all(is_zone(str(one)) for one in zones.values()):
        raise BadMapping(given.source, "times", "zones: word → offset such as +02:00, or zone")
    made = Times(
        formats=formats,
        zone=found.text("zone", "UTC"),
        zone_column=_column(found.part("zone_column", _COLUMN), filled=True)
        if "zone_column" in found.found
        else None,
        zones={str(word).upper(): str(zone) for word, zone in zones.items()},
    )
    if not is_zone(made.zone):
        raise BadMapping(given.source, "times", f"{made.zone!r} is no zone")
    return made


def is_zone(text: str) -> bool:
    """Whether ``text`` is an offset (``+02:00``) or the name of a zone."""
    if _OFFSET.fullmatch(text):
        return True
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _types(given: _Given) -> dict[str, Category]:
    found = given.plain("types", {})
    if not isinstance(found, dict):
        raise BadMapping(given.source, "types", "theirs → ours")
    try:
        return {str(theirs).casefold(): Category(ours) for theirs, ours in found.items()}
    except ValueError as error:
        raise BadMapping(given.source, "types", str(error)) from None


def _line(given: _Given, word: str, fields: frozenset[str]) -> Line | None:
    if word not in given.found:
        return None
    found = given.part(word, frozenset({"start", "fields"}))
    line = Line(found.text("start"), found.texts("fields"))
    if not line.start or set(line.fields) - fields:
        raise BadMapping(given.source, word, f"a start, and fields of {', '.join(sorted(fields))}")
    return line

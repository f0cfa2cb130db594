"""The classes of record, from YAML files, strictly: an odd file stops the start.

Each table of the database that holds personal data belongs to exactly one class (a test compares
the database with the file); the other tables are listed with why nobody stands in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

FORMAT: Final = 1
BYTES_MAX: Final = 64 * 1024
_FOLDER: Final = Path(__file__).parent / "versions"
_PERIOD: Final = re.compile(r"P(?:(\d+)Y|(\d+)M|(\d+)D)")
_KEY: Final = re.compile(r"[a-z][a-z_]{1,39}")


class BadClasses(Exception):
    """A file of classes that says something we do not understand."""

    def __init__(self, source: str, where: str, why: str) -> None:
        super().__init__(f"{source}: {where}: {why}")


class Basis(StrEnum):
    """Why a class is kept (GDPR Art. 6(1) and 17(3))."""

    LAW = "law"  # 6(1)(c): a legal duty; 17(3)(b): no erasure before its end
    CLAIMS = "claims"  # 17(3)(e): claims of either side
    INTEREST = "interest"  # 6(1)(f): gone at once when the person asks
    CONSENT = "consent"  # 6(1)(a): gone at once when the person asks
    PROTECTION = "protection"  # 6(1)(c): the exclusion of a person who is to be recognised
    STAFF = "staff"  # 6(1)(b), (c): who worked here and did what


class Starts(StrEnum):
    """What the period runs from."""

    RELATIONSHIP_END = "relationship_end"
    EXCLUSION_END = "exclusion_end"
    CREATION = "creation"
    NEVER = "never"


class AtEnd(StrEnum):
    """What happens at the end of the period."""

    ERASE = "erase"
    PSEUDONYMISE = "pseudonymise"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class RecordClass:
    """One class of record. ``period`` is None where the class is kept for good."""

    key: str
    title: str
    holds: str
    tables: tuple[str, ...]
    basis: Basis
    law: str
    #: How the clause is known: P seen, S secondary source seen, R recalled, O the house's own.
    seen: str
    period: timedelta | None
    period_words: str
    starts: Starts
    at_end: AtEnd
    #: Jurisdiction → the same class as that profile has it.
    varies: Mapping[str, RecordClass]

    @property
    def goes_on_request(self) -> bool:
        """Whether nothing but the house's interest or the person's consent keeps it."""
        return self.basis in {Basis.INTEREST, Basis.CONSENT}

    @property
    def is_erased_by_person(self) -> bool:
        """Whether the erasure of a player reaches it; other classes end by age, or never."""
        return self.starts in {Starts.RELATIONSHIP_END, Starts.EXCLUSION_END}

    def within(self, jurisdiction: str) -> RecordClass:
        """The class as ``jurisdiction`` has it."""
        return self.varies.get(jurisdiction, self)

    def due(self, ended_at: datetime) -> datetime | None:
        """When its period is over, counted from the end of what it runs from; None: never."""
        return None if self.period is None else ended_at + self.period


@dataclass(frozen=True, slots=True)
class Classes:
    """One version of the table. The order is the order of erasing: the name goes last."""

    version: str
    effective_from: date
    classes: tuple[RecordClass, ...]
    #: Table → why nobody stands in it.
    without_person: Mapping[str, str]

    def find(self, key: str) -> RecordClass:
        return next(one for one in self.classes if one.key == key)


def in_force(day: date) -> Classes:
    """The newest version that is in force on ``day``."""
    return next(one for one in versions() if one.effective_from <= day)


@cache
def versions() -> tuple[Classes, ...]:
    """Every version there is, newest first."""
    found = [read(path.name, path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*.yaml"))]
    return tuple(sorted(found, key=lambda one: one.effective_from, reverse=True))


def read(source: str, text: str) -> Classes:
    """One file. Raises ``BadClasses``."""
    if len(text) > BYTES_MAX:
        raise BadClasses(source, "file", "too large")
    found: Any = yaml.safe_load(text)
    wanted = {"format", "version", "effective_from", "classes", "without_person"}
    if not isinstance(found, dict) or set(found) != wanted or found["format"] != FORMAT:
        raise BadClasses(source, "head", f"format {FORMAT} with {', '.join(sorted(wanted))}")
    classes = tuple(_class(source, key, one) for key, one in found["classes"].items())
    without = {str(table): str(why) for table, why in found["without_person"].items()}
    named = Counter([table for one in classes for table in one.tables] + list(without))
    twice = sorted(table for table, times in named.items() if times > 1)
    if twice:
        raise BadClasses(source, "tables", f"named twice: {', '.join(twice)}")
    return Classes(str(found["version"]), found["effective_from"], classes, without)


_FIELDS: Final = {"title", "holds", "tables", "basis", "law", "seen", "period", "from", "at_end"}


def _class(source: str, key: str, found: Any) -> RecordClass:
    if not isinstance(found, dict) or set(found) - {"varies"} != _FIELDS or not _KEY.fullmatch(key):
        raise BadClasses(source, key, f"a class has {', '.join(sorted(_FIELDS))}")
    try:
        made = RecordClass(
            key=key,
            title=str(found["title"]),
            holds=str(found["holds"]),
            tables=tuple(found["tables"]),
            basis=Basis(found["basis"]),
            law=str(found["law"]),
            seen=_seen(found["seen"]),
            period=_period(found["period"]),
            period_words=_words(found["period"]),
            starts=Starts(found["from"]),
            at_end=AtEnd(found["at_end"]),
            varies={},
        )
        varies = {code: _varied(made, one) for code, one in found.get("varies", {}).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise BadClasses(source, key, str(error)) from error
    if (made.period is None) != (made.at_end is AtEnd.KEEP):
        raise BadClasses(source, key, "what is kept for good has no period, all else has one")
    return replace(made, varies=varies)


def _varied(made: RecordClass, found: Mapping[str, Any]) -> RecordClass:
    if set(found) != {"period", "law", "seen"}:
        raise ValueError("a profile varies period, law and seen")
    return replace(
        made,
        period=_period(found["period"]),
        period_words=_words(found["period"]),
        law=str(found["law"]),
        seen=_seen(found["seen"]),
    )


def _seen(value: Any) -> str:
    if value not in {"P", "S", "R", "O"}:
        raise ValueError("seen is P, S, R or O")
    return str(value)


def _numbers(value: str) -> tuple[int, int, int]:
    found = _PERIOD.fullmatch(value)
    if found is None:
        raise ValueError("an ISO 8601 period of one unit, such as P5Y, P6M or P90D")
    years, months, days = (int(part or 0) for part in found.groups())
    return years, months, days


def _period(value: Any) -> timedelta | None:
    """A month counts 31 days and a year 366: what the law keeps is never gone too early."""
    if value is None:
        return None
    years, months, days = _numbers(str(value))
    return timedelta(days=years * 366 + months * 31 + days)


def _words(value: Any) -> str:
    if value is None:
        return "for good"
    years, months, days = _numbers(str(value))
    number, unit = next(
        ((n, u) for n, u in ((years, "year"), (months, "month"), (days, "day")) if n), (0, "")
    )
    return "at once" if not number else f"{number} {unit}{'s' if number > 1 else ''}"

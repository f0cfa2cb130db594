"""Help lines by country: dated data with its source. Nobody is shown a number that we did not see.

The file is read strictly: an odd one raises ``InvariantBroken`` at its first use; a test reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from kernel.invariant import ensure

FILE: Final = Path(__file__).with_name("help_lines.yaml")
#: The line for people of countries that have none of their own.
EVERYWHERE: Final = "*"
#: Official text, secondary source, recalled.
_BASES: Final = frozenset("PSR")
_FIELDS: Final = {"country", "name", "number", "free", "site", "source", "basis"}


@dataclass(frozen=True, slots=True)
class HelpLine:
    """Somebody who helps. ``number`` is empty where we know none from its source."""

    country: str
    name: str
    number: str
    is_free: bool
    site: str
    source: str

    @property
    def dialled(self) -> str:
        """The number as a ``tel:`` address wants it."""
        return "".join(sign for sign in self.number if sign.isdigit() or sign == "+")

    @property
    def site_name(self) -> str:
        """The website without what browsers add."""
        return urlsplit(self.site).netloc.removeprefix("www.")

    @property
    def source_name(self) -> str:
        """Who says that this is the number."""
        return urlsplit(self.source).netloc.removeprefix("www.")


@cache
def _file() -> tuple[date, tuple[HelpLine, ...]]:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    as_of = document["as_of"]
    ensure(type(as_of) is date, "help lines are dated", as_of=str(as_of))
    return as_of, tuple(_line(entry) for entry in document["lines"])


def _line(entry: dict[str, Any]) -> HelpLine:
    ensure(set(entry) == _FIELDS, "a help line has its fields", entry=str(entry))
    ensure(entry["basis"] in _BASES, "a help line says how it is known", entry=str(entry))
    was_seen = entry["basis"] != "R"
    ensure(
        not was_seen or bool(entry["source"]), "what was seen names its source", entry=str(entry)
    )
    ensure(urlsplit(entry["site"]).scheme == "https", "a help line has a site", entry=str(entry))
    return HelpLine(
        country=entry["country"],
        name=entry["name"],
        number=entry["number"] if was_seen else "",
        is_free=entry["free"],
        site=entry["site"],
        source=entry["source"],
    )


def as_of() -> date:
    """The day on which somebody last looked at the whole list."""
    return _file()[0]


def help_lines(country: str) -> tuple[HelpLine, ...]:
    """The lines of ``country`` first, then the one for everybody."""
    own = tuple(line for line in _file()[1] if line.country == country)
    return own + tuple(line for line in _file()[1] if line.country == EVERYWHERE)

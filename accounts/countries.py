"""The countries of the world (ISO 3166-1) in the reader's language.

The codes are those of the time-zone database's ``iso3166.tab``, which follows the standard; the
names are Unicode CLDR's.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from babel import Locale, UnknownLocaleError


@cache
def codes() -> frozenset[str]:
    """Every ISO 3166-1 alpha-2 code."""
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return frozenset(row[0] for row in rows)


@cache
def choices(language: str) -> tuple[tuple[str, str], ...]:
    """``(code, name)`` of every country, sorted by name in ``language``."""
    names = _locale(language).territories
    return tuple(sorted(((code, names.get(code, code)) for code in codes()), key=lambda c: c[1]))


def currency_name(currency: str, language: str) -> str:
    """``EUR – Euro``, in ``language``."""
    return f"{currency} – {_locale(language).currencies.get(currency, currency)}"


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")

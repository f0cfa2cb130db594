"""Which profile counts: by code and day, and among those the operator offers, by country."""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings

from compliance.jurisdictions.loading import load_directory
from compliance.jurisdictions.shape import Jurisdiction
from kernel.invariant import InvariantBroken


@cache
def _all() -> dict[str, tuple[Jurisdiction, ...]]:
    return load_directory(Path(__file__).parent)


def known_codes() -> tuple[str, ...]:
    """Every profile we have a file for."""
    return tuple(sorted(_all()))


def in_force_codes(on: date) -> tuple[str, ...]:
    """Every profile that has a version in force on ``on``, sorted: `profile` answers for each.

    A file may come before its day. Until then nobody plays under it, and whoever goes through all
    profiles passes it over.
    """
    return tuple(
        code for code in known_codes() if any(one.effective_from <= on for one in _all()[code])
    )


@lru_cache(maxsize=256)
def profile(code: str, on: date) -> Jurisdiction:
    """The version of ``code`` in force on ``on``; ``InvariantBroken`` where there is none."""
    versions = [one for one in _all().get(code, ()) if one.effective_from <= on]
    if not versions:
        raise InvariantBroken("a player's jurisdiction has a profile in force", code=code, on=on)
    return versions[-1]


def versions(code: str) -> tuple[Jurisdiction, ...]:
    """Every version of ``code`` we have a file for, oldest first, coming ones included."""
    return _all().get(code, ())


def active_codes() -> tuple[str, ...]:
    """The profiles this operator offers (setting ``FARO_JURISDICTIONS``), in that order."""
    return tuple(settings.FARO_JURISDICTIONS)


def country_profile(country: str, on: date) -> Jurisdiction | None:
    """The offered profile for people in ``country``, or None: we may not offer there."""
    for code in active_codes():
        found = profile(code, on)
        if country in found.countries and found.live_table_games:
            return found
    return None


def offered_countries(on: date) -> tuple[str, ...]:
    """Every country we may offer to, sorted: for the sign-up form."""
    offered: set[str] = set()
    for code in active_codes():
        found = profile(code, on)
        if found.live_table_games:
            offered |= found.countries
    return tuple(sorted(offered))

"""Which profiles stop play: two officers have not signed them off, or they may never be offered.

A version begins on its day whether anybody has looked at it or not. Who signs has to know before:
the officers' page, the self-check's page, ``manage.py check --deploy`` and ``/readyz`` ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings

from compliance.jurisdictions import sign_offs
from compliance.jurisdictions.profiles import active_codes, versions
from compliance.jurisdictions.shape import Jurisdiction


@dataclass(frozen=True, slots=True)
class Stop:
    """One version, offered and not active. ``days``: until it stops play, 0 if it has."""

    profile: Jurisdiction
    days: int

    @property
    def is_now(self) -> bool:
        return self.days == 0

    @property
    def is_barred(self) -> bool:
        """Whether no signature helps: a demonstration in production."""
        return sign_offs.is_barred(self.profile)

    @property
    def values(self) -> tuple[str, ...]:
        """What nobody has seen an official text of, by the names of the profile's fields."""
        return self.profile.unsure

    @property
    def words(self) -> str:
        """For staff: which profile, from when, and why."""
        when = "stops play" if self.is_now else f"stops play in {self.days} days"
        return f"{self.profile.policy} {when} {self.why}"

    @property
    def why(self) -> str:
        """What has to happen, as the end of a sentence."""
        if self.is_barred:
            return "as long as it is offered: a demonstration is never played in production"
        return f"until two officers sign: {', '.join(self.values)}"


def ahead(today: date, days: int | None = None) -> list[Stop]:
    """Those that stop play on ``today`` or within ``days`` of it (setting), the nearest first."""
    within = settings.FARO_SIGN_OFF_WARN_DAYS if days is None else days
    found = [
        one
        for code in active_codes()
        for one in _that_count(versions(code), today, within)
        if sign_offs.is_barred(one) or not one.is_demonstration  # else nothing stops it
    ]
    blocked = sign_offs.inactive(found)
    stops = [
        Stop(one, max(0, (one.effective_from - today).days))
        for one in found
        if one.policy in blocked
    ]
    return sorted(stops, key=lambda stop: (stop.days, stop.profile.policy))


def _that_count(known: Sequence[Jurisdiction], today: date, within: int) -> list[Jurisdiction]:
    """The version in force, and those that begin within so many days."""
    until = today + timedelta(days=within)
    begun = [one for one in known if one.effective_from <= today]
    coming = [one for one in known if today < one.effective_from <= until]
    return [*begun[-1:], *coming]

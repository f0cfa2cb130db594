"""What says where an address is, and what a place means under a policy. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

from compliance.admission import PlaceOutcome
from compliance.jurisdictions import Jurisdiction

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Place:
    """``country`` is ISO 3166-1 alpha-2, ``area`` ISO 3166-2 (``US-NJ``); empty: not known."""

    country: str = ""
    area: str = ""

    def __str__(self) -> str:
        return self.area or self.country or "unknown"


UNKNOWN: Final = Place()


class Locator(Protocol):
    """Says where addresses are."""

    def place(self, address: Address) -> Place:
        """The place of an address; `UNKNOWN` for whatever is not known. Never raises."""


def judge(policy: Jurisdiction, place: Place, offered: Collection[str]) -> PlaceOutcome:
    """What ``place`` means for a player under ``policy``, where ``offered`` lists countries.

    Where the policy is of a part of a country, a country alone is not enough to know.
    """
    if not place.country:
        return PlaceOutcome.UNKNOWN
    if not policy.location_areas:
        return PlaceOutcome.ALLOWED if place.country in offered else PlaceOutcome.NOT_ALLOWED
    if {place.area, place.country} & set(policy.location_areas):
        return PlaceOutcome.ALLOWED
    countries = {area.partition("-")[0] for area in policy.location_areas}
    if place.country in countries and not place.area:
        return PlaceOutcome.UNKNOWN
    return PlaceOutcome.NOT_ALLOWED

"""Which register a word of a profile is, at the place that settings say."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from compliance.jurisdictions import Jurisdiction
from compliance.registries.clients import CLIENTS
from compliance.registries.exchange import Place
from compliance.registries.protocol import Fact, Registry

_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}


def registry(name: str) -> Registry | None:
    """The register of this name; None where it cannot be spoken to: no client, no place, no key.

    Plain HTTP is spoken with this machine alone: what is sent says who somebody is.
    """
    client = CLIENTS.get(name)
    place = settings.FARO_REGISTRIES.get(name)
    if client is None or not place or not place.get("url") or not place.get("key"):
        return None
    parts = urlsplit(place["url"])
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        return None
    return client(Place(place["url"], place["key"]))


def needs(policy: Jurisdiction) -> tuple[Fact, ...]:
    """What a person under ``policy`` is asked for so that the register can be asked."""
    client = CLIENTS.get(policy.registry)
    return () if client is None else client.needs

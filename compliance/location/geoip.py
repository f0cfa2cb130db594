"""The adapter for MaxMind databases, by setting ``FARO_GEOIP_DATABASE``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import maxminddb
import structlog
from django.conf import settings

from compliance.location.protocol import UNKNOWN, Address, Locator, Place

log = structlog.get_logger(__name__)


class Nowhere:
    """Without a database: nothing is known, and nothing is claimed."""

    def place(self, address: Address) -> Place:
        """Unknown."""
        return UNKNOWN


class GeoIp:
    """A country or city database (GeoLite2, GeoIP2 and whatever has their fields).

    Private and reserved addresses are in no database, so they are unknown.
    """

    def __init__(self, path: Path) -> None:
        self._reader = maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)

    def place(self, address: Address) -> Place:
        """Where the address is used, not where its network is registered."""
        try:
            found: Any = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):  # IPv6 in a database of IPv4
            return UNKNOWN
        if not isinstance(found, dict):
            return UNKNOWN
        country = _code(found.get("country"))
        parts = found.get("subdivisions")
        part = _code(parts[0]) if isinstance(parts, list) and parts else ""
        return Place(country, f"{country}-{part}" if country and part else "")


_NOWHERE: Final = Nowhere()


def can_look() -> bool:
    """Whether the house can find out where anybody is at all."""
    return locator() is not _NOWHERE


def locator() -> Locator:
    """The one that settings name. One that cannot be read is logged, and nothing is known."""
    path: str = settings.FARO_GEOIP_DATABASE
    if not path:
        return _NOWHERE
    try:
        changed_ns = Path(path).stat().st_mtime_ns
        return _opened(path, changed_ns)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        log.error("geoip_database_unreadable", error=type(error).__name__)
        return _NOWHERE


@cache
def _opened(path: str, changed_ns: int) -> GeoIp:
    """One reader per file as it is; a newer file in its place is opened anew."""
    return GeoIp(Path(path))


def _code(found: Any) -> str:
    code = found.get("iso_code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else ""

"""The adapter for MaxMind databases, by setting ``FARO_GEOIP_DATABASE``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file as it was when it was last opened, and what came of it: a broken one is not tried
    again until it changes.
    """

    path: str
    changed_ns: int | None
    locator: Locator


#: One per process; a file is opened by one thread, while the others go on with what was there.
_kept = _Kept("", None, _NOWHERE)
_opening = threading.Lock()


def can_look() -> bool:
    """Whether the house can find out where anybody is. May open a file: ask outside locks."""
    return locator() is not _NOWHERE


def locator() -> Locator:
    """The one that settings name. One that cannot be read is logged once, and nothing is known."""
    global _kept  # noqa: PLW0603  (one reader per process)
    path: str = settings.FARO_GEOIP_DATABASE
    found, changed_ns = _kept, _changed(path)
    if (found.path, found.changed_ns) == (path, changed_ns):
        return found.locator
    has_another = found.path == path and found.locator is not _NOWHERE
    if not _opening.acquire(blocking=not has_another):
        return found.locator
    try:
        if (_kept.path, _kept.changed_ns) != (path, changed_ns):
            _kept = _Kept(path, changed_ns, _opened(path))
        return _kept.locator
    finally:
        _opening.release()


def _changed(path: str) -> int | None:
    """None where there is no file."""
    try:
        return Path(path).stat().st_mtime_ns if path else None
    except OSError:
        return None


def _opened(path: str) -> Locator:
    if not path:
        return _NOWHERE
    try:
        return GeoIp(Path(path))
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        log.error("geoip_database_unreadable", error=type(error).__name__)
        return _NOWHERE


def _code(found: Any) -> str:
    code = found.get("iso_code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else ""

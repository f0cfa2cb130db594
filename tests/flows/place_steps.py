"""A small real database of places, as tests lay it where the setting says."""

from __future__ import annotations

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

PLACES = {
    "81.2.69.0/24": {"country": {"iso_code": "GB"}},
    "203.0.113.0/24": {"country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "NJ"}]},
    "198.51.100.0/24": {"country": {"iso_code": "BR"}},
    "2001:db8::/32": {"country": {"iso_code": "MT"}},
}
MALTA, LONDON, BRAZIL, JERSEY = "2001:db8::1", "81.2.69.7", "198.51.100.9", "203.0.113.5"


def lay(settings, directory: Path) -> Path:
    """The database, in ``directory`` and in the setting."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-City")
    for network, found in PLACES.items():
        writer.insert_network(IPSet([network]), found)
    path = directory / "places.mmdb"
    writer.to_db_file(str(path))
    settings.FARO_GEOIP_DATABASE = str(path)
    return path

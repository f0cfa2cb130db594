"""Months ahead: whether every partitioned table still has room, and making more.

Making partitions needs the owner role, which no running process has: `manage.py extend_partitions`
is run by whoever migrates. Running processes only look, and warn in time. Nothing is lost when
everybody forgets: rows then go to the default partition, which is found and reported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.core import checks
from django.db import connection
from django.db.utils import DatabaseError

from audit.append_only import MONTHS_AHEAD, runtime_role
from audit.database_clock import database_now

#: Fewer whole months ahead than this and the check warns: a quarter, so that a monthly
#: maintenance window may be missed twice.
MONTHS_WARN: Final = 3

_TABLES = """
SELECT c.relname FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
WHERE p.partstrat = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname COLLATE "C"
"""
_PARTS = """
SELECT child.relname FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s)
"""


@dataclass(frozen=True, slots=True)
class Room:
    """How far ahead one table has partitions, and how many bytes its default partition holds."""

    table: str
    months_ahead: int
    default_bytes: int

    @property
    def enough(self) -> bool:
        return self.months_ahead >= MONTHS_WARN and self.default_bytes == 0


def rooms() -> list[Room]:
    """The state of every table partitioned by time, by name. Reads the catalog only."""
    now = database_now()
    found = []
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        for (table,) in cursor.fetchall():
            cursor.execute(_PARTS, [table])
            parts = {row[0] for row in cursor.fetchall()}
            cursor.execute(
                "SELECT coalesce(pg_relation_size(to_regclass(%s)), 0)", [f"{table}_default"]
            )
            found.append(Room(table, _months_ahead(table, parts, now), cursor.fetchone()[0]))
    return found


def extend(months: int = MONTHS_AHEAD) -> dict[str, int]:
    """Make partitions from this month on for ``months`` months; returns how many, by table.

    Needs the owner role. Fails, changing nothing of that table, where the default partition
    already holds rows of a month to be made.
    """
    made: dict[str, int] = {}
    first = database_now().astimezone(UTC).date().replace(day=1)
    with connection.cursor() as cursor:
        for room in rooms():
            cursor.execute(
                "SELECT audit_make_month_partitions(%s, %s, %s, %s)",
                [room.table, first, months, runtime_role()],
            )
            made[room.table] = cursor.fetchone()[0]
    return made


@checks.register(checks.Tags.database)
def partitions_have_room(
    *, databases: Sequence[str] | None = None, **_given: Any
) -> list[checks.CheckMessage]:
    """Warn when a table has fewer than three months ahead or rows in its default partition."""
    if not databases:
        return []
    try:
        found = rooms()
    except DatabaseError as error:
        return [checks.Warning(f"partitions could not be looked at: {error}", id="audit.W003")]
    messages: list[checks.CheckMessage] = []
    for room in found:
        if room.months_ahead < MONTHS_WARN:
            messages.append(
                checks.Warning(
                    f"{room.table} has partitions for {room.months_ahead} months ahead",
                    hint="Run manage.py extend_partitions under FARO_ROLE=owner.",
                    id="audit.W001",
                )
            )
        if room.default_bytes:
            messages.append(
                checks.Warning(
                    f"{room.table}_default holds {room.default_bytes} bytes of rows",
                    hint="Move them into a partition of their month during maintenance.",
                    id="audit.W002",
                )
            )
    return messages


def _months_ahead(table: str, parts: set[str], now: datetime) -> int:
    """Whole months after the present one that have a partition, without a gap."""
    year, month, ahead = now.year, now.month, 0
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        if f"{table}_{year:04d}_{month:02d}" not in parts:
            return ahead
        ahead += 1

"""The database's clock: the judge of every deadline, read after the lock it depends on."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import connection

#: Whatever is posted takes its instant after its transaction has got a number (it locks rows
#: first). So what began to write before this instant has ended, and nothing older will appear.
_WRITING_SINCE: Final = """
SELECT min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
"""


def database_now() -> datetime:
    """``clock_timestamp()``, aware UTC.

    Not ``now()``: that is the transaction's start, and after a lock wait it accepted a bet half a
    second late (measured).
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def sure_instant() -> datetime:
    """The newest instant before which nothing can be posted any more: now, but for transactions
    that are writing. What is asked as of it is the same whenever it is asked again."""
    with connection.cursor() as cursor:
        # The clock first, then who writes, as of now: whoever begins between the two comes later.
        cursor.execute("SELECT clock_timestamp(), pg_stat_clear_snapshot()")
        now: datetime = cursor.fetchone()[0]
        cursor.execute(_WRITING_SINCE)
        since: datetime | None = cursor.fetchone()[0]
    return now if since is None else min(now, since)


class DatabaseClock:
    """A ``kernel.clock.Clock`` that asks the database each time."""

    def now(self) -> datetime:
        return database_now()

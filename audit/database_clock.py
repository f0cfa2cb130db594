"""The database's clock: the judge of every deadline, read after the lock it depends on."""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """``clock_timestamp()``, aware UTC.

    Not ``now()``: that is the transaction's start, and after a lock wait it accepted a bet half a
    second late (measured).
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


class DatabaseClock:
    """A ``kernel.clock.Clock`` that asks the database each time."""

    def now(self) -> datetime:
        return database_now()

"""The schedule of the `beat` role, held by one process at a time.

Two beats would send each hint twice: harmless, since tasks are idempotent, but wasteful. So any
number may run; the one with the lease sends, the others wait for it to lapse.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection
from django_celery_beat.schedulers import DatabaseScheduler

from events.lease import Lease

#: The active beat renews at every tick, at most 5 s apart; a dead one is replaced within this.
LEASE_TTL_MS = 20_000
STANDBY_S = 5.0


class LeasedScheduler(DatabaseScheduler):  # type: ignore[misc]  # django-celery-beat has no types
    """django-celery-beat's scheduler, silent while another process holds the lease."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lease = Lease("beat", LEASE_TTL_MS)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Seconds until the next look; sends what is due only when the lease is ours."""
        if not self._hold_lease():
            return STANDBY_S
        pause_s: float = super().tick(*args, **kwargs)
        return min(pause_s, STANDBY_S)

    def close(self) -> None:
        """Give the lease back at once, so that a deploy does not pause the schedule."""
        super().close()
        if self._lease.token is not None:
            self._lease.release(_database())

    def _hold_lease(self) -> bool:
        db = _database()
        return (self._lease.token is not None and self._lease.renew(db)) or self._lease.take(db)


def _database() -> psycopg.Connection[Any]:
    """Django's own connection, in autocommit: each statement of a lease is its own transaction."""
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    return raw

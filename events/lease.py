"""A lease on one row, judged by the database's clock alone, with a fencing token.

Every statement is its own transaction: a process that is frozen between two statements holds no
lock, so its successor is never kept waiting. Whoever writes under the lease names the token in the
same statement, so that a thawed predecessor writes nothing.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from psycopg import Connection

#: Renewed each third of its life, so that one lost renewal costs nothing.
RENEWALS_PER_TTL: Final = 3


class Lease:
    """The right to be the active process of a role, for ``ttl_ms`` at a time."""

    def __init__(self, name: str, ttl_ms: int) -> None:
        self.name = name
        self.ttl_ms = ttl_ms
        self.owner = f"{socket.gethostname()}:{os.getpid()}"
        self.token: int | None = None

    def take(self, db: Connection[Any]) -> bool:
        """Take the lease if nobody holds it, raising the token; True when it is ours."""
        row = db.execute(
            "UPDATE event_relay_lease SET owner = %s, token = token + 1,"
            " expires_at = clock_timestamp() + %s * interval '1 ms'"
            " WHERE name = %s AND expires_at <= clock_timestamp() RETURNING token",
            [self.owner, self.ttl_ms, self.name],
        ).fetchone()
        self.token = None if row is None else int(row[0])
        return self.token is not None

    def renew(self, db: Connection[Any]) -> bool:
        """Go on for another ``ttl_ms``; False when somebody else has taken over."""
        done = db.execute(
            "UPDATE event_relay_lease SET expires_at = clock_timestamp() + %s * interval '1 ms'"
            " WHERE name = %s AND owner = %s AND token = %s",
            [self.ttl_ms, self.name, self.owner, self.token],
        )
        if done.rowcount != 1:
            self.token = None
        return self.token is not None

    def release(self, db: Connection[Any]) -> None:
        """Give it back at once, for fast deploys; harmless when it is already another's."""
        db.execute(
            "UPDATE event_relay_lease SET expires_at = '-infinity', owner = ''"
            " WHERE name = %s AND owner = %s AND token = %s",
            [self.name, self.owner, self.token],
        )
        self.token = None

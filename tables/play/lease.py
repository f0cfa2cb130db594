"""One runner per table: a lease in two rows, judged by the database's clock alone.

A heartbeat renewed on its own connection says that the owner lives; the owner row carries the
fencing token that every write of the runner checks under a share lock. A takeover locks the owner
row FOR UPDATE, so it waits for a write in flight and fences every later one. Measured before:
advisory locks were not released in 8 s by a stopped or cut-off process, this lease in its TTL.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import connection, transaction

from audit.locks import LockRank, lock_rows
from tables.locks import Lease

#: A runner's transactions stay below half of it.
DEFAULT_TTL: Final = timedelta(seconds=2)


def acquire(table_id: str, owner: str, *, ttl: timedelta = DEFAULT_TTL) -> Lease | None:
    """Take the table when nobody runs it (or its runner's heartbeat has expired), else None."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM tables_tableheartbeat"
                " WHERE table_id = %s AND expires_at > clock_timestamp()",
                [table_id],
            )
            if cursor.fetchone():
                return None
        rows = lock_rows(
            LockRank.TABLE_OWNER,
            "SELECT token FROM tables_tableowner WHERE table_id = %s ORDER BY table_id FOR UPDATE",
            [table_id],
        )
        if not rows:
            return None
        token = rows[0][0] + 1
        with connection.cursor() as cursor:
            # Again after the lock: another process may have taken it while we waited.
            cursor.execute(
                "UPDATE tables_tableheartbeat SET token = %s,"
                " expires_at = clock_timestamp() + %s::interval"
                " WHERE table_id = %s AND expires_at <= clock_timestamp()",
                [token, _seconds(ttl), table_id],
            )
            if cursor.rowcount != 1:
                return None
            cursor.execute(
                "UPDATE tables_tableowner SET owner = %s, token = %s WHERE table_id = %s",
                [owner, token, table_id],
            )
    return Lease(table_id, owner, token)


def renew(lease: Lease, *, ttl: timedelta = DEFAULT_TTL) -> bool:
    """Push the heartbeat on. False when the table was taken over: stop at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tables_tableheartbeat SET expires_at = clock_timestamp() + %s::interval"
            " WHERE table_id = %s AND token = %s",
            [_seconds(ttl), lease.table_id, lease.token],
        )
        return bool(cursor.rowcount == 1)


def release(lease: Lease) -> None:
    """Give the table back at once, for fast deploys. Harmless when it is already lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tables_tableheartbeat SET expires_at = clock_timestamp()"
            " WHERE table_id = %s AND token = %s",
            [lease.table_id, lease.token],
        )


def _seconds(ttl: timedelta) -> str:
    return f"{ttl // timedelta(milliseconds=1)} milliseconds"

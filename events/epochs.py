"""A new epoch for every stream, after the database was restored to an earlier moment.

Numbers then count on from that moment, and clients have seen them before with other events. With
another epoch nothing that a client keeps continues: it takes a fresh snapshot.
"""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from audit.record import Subject, record, register
from events import stream
from kernel.ids import Actor
from kernel.invariant import ensure

NEW_EPOCH: Final = register("events.new_epoch", "Every stream began a new epoch")


def renew_all(*, reason: str) -> dict[str, str]:
    """Give every stream a new epoch in one transaction; returns them by name. Audited.

    Locks each stream in the order of their names. For a database on which no process runs.
    """
    ensure(bool(reason.strip()), "a new epoch has a reason")
    with transaction.atomic():
        record(
            NEW_EPOCH,
            actor=Actor.system("new_epoch"),
            subject=Subject("streams", "all"),
            component="events",
            reason=reason,
        )
        with connection.cursor() as cursor:
            cursor.execute('SELECT name FROM event_stream ORDER BY name COLLATE "C"')
            names = [row[0] for row in cursor.fetchall()]
        return {name: stream.new_epoch(name) for name in names}

"""Orders that go up: rows written by a lower app, applied once by an app above it.

Compliance excludes a player, the pit asks for a suspension: the app that knows writes the order,
the app that acts (`tables`, `payments`) applies it. The row is the queue; a notification only wakes
its reader. What an order says never changes; it turns from waiting to applied once, which the
database enforces. The gate reads the cause itself, so a late order never costs money.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.canonical import plain, storable
from kernel.ids import Actor, ActorKind, new_id
from kernel.invariant import ensure

PENDING_LIMIT_MAX: Final = 1_000
#: The channel on which consumers are woken; the payload is the kind of the order.
CHANNEL: Final = "faro_orders"


@dataclass(frozen=True, slots=True)
class Order:
    """One order: what is asked (``kind``), of whom or what (``subject``), with which details."""

    id: UUID
    kind: str
    subject: str
    payload: dict[str, Any]
    actor: Actor
    placed_at: datetime


def place(kind: str, subject: str, payload: dict[str, Any], actor: Actor) -> UUID:
    """Write an order in the caller's transaction, wake its readers at commit, return its id.

    ``subject`` is like ``player:17`` or ``table:alexandria``. Locks nothing. Not for transactions
    of the bet path: a notification takes a lock of the whole database at commit.
    """
    order_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event_order (id, kind, subject, payload, actor_kind, actor_id)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [
                order_id,
                kind,
                storable(subject),
                json.dumps(plain(payload), ensure_ascii=False),
                actor.kind.value,
                storable(actor.id),
            ],
        )
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, kind])
    return order_id


def pending(kind: str, after: UUID | None = None, limit: int = 100) -> list[Order]:
    """Waiting orders of ``kind``, oldest first; ``after`` pages within one sweep.

    A sweep starts with ``after=None``: an order whose transaction committed late may have a lower
    id than one already seen.
    """
    ensure(0 < limit <= PENDING_LIMIT_MAX, "a read is bounded", limit=limit)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, subject, payload::text, actor_kind, actor_id, placed_at"
            " FROM event_order WHERE kind = %s AND applied_at IS NULL"
            " AND (%s::uuid IS NULL OR id > %s::uuid) ORDER BY id LIMIT %s",
            [kind, after, after, limit],
        )
        rows = cursor.fetchall()
    return [
        Order(row[0], row[1], row[2], json.loads(row[3]), Actor(ActorKind(row[4]), row[5]), row[6])
        for row in rows
    ]


def mark_applied(order_id: UUID, by: str) -> bool:
    """Turn the order to applied; True for the one caller whose transaction did it.

    Called in the transaction that acts on the order, after its other locks: False means that
    somebody else has applied it, and the caller rolls back or does nothing. ``by`` names the
    applying component and is not empty.
    """
    ensure(bool(by), "who applied an order is named", order=str(order_id))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE event_order SET applied_at = clock_timestamp(), applied_by = %s"
            " WHERE id = %s AND applied_at IS NULL",
            [storable(by), order_id],
        )
        return bool(cursor.rowcount == 1)

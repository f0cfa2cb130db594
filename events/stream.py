"""Streams: named, gap-free, in commit order. What the house publishes, it appends here first.

An append takes the stream's row lock, so nobody else can append until this transaction commits:
numbers have no gaps and their order is the order of commits (`docs/decisions/0051`). That is why it
is the last statement of a transaction and why the transaction is short.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from audit.canonical import plain
from audit.locks import LockRank, entering
from kernel.invariant import InvariantBroken, ensure

#: Readers page; nobody loads a stream at once.
READ_LIMIT_MAX: Final = 1_000
#: An event is news, not a document: the whole frame stays far below a network buffer.
DATA_BYTES_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was committed. ``seq`` counts from 1 without gaps within its stream."""

    stream: str
    epoch: str
    seq: int
    kind: str
    at: datetime
    data: dict[str, Any]


def create(name: str) -> None:
    """Make the stream ``name`` (``t:<table id>``, ``u:<user id>``) unless it is there already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_create_stream(%s)", [name])


def append(name: str, kind: str, data: dict[str, Any]) -> int:
    """Append one event, queue it for the relay, and return its number. Call it last.

    Inside the caller's transaction; takes the stream's row lock (``LockRank.STREAM``) and holds it
    until commit. Two streams in one transaction are appended in the order of their names. ``data``
    is plain JSON values, deadlines as absolute epoch milliseconds. ``InvariantBroken`` for an
    unknown stream, a value that is not plain, or data above ``DATA_BYTES_MAX``.
    """
    text = json.dumps(plain(data), ensure_ascii=False, separators=(",", ":"))
    ensure(len(text.encode()) <= DATA_BYTES_MAX, "an event is small", stream=name, kind=kind)
    entering(LockRank.STREAM, name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_append(%s, %s, %s)", [name, kind, text])
        seq: int | None = cursor.fetchone()[0]
    if seq is None:
        raise InvariantBroken("a stream is created before it is appended to", stream=name)
    return seq


def read(name: str, after: int, limit: int) -> list[Event]:
    """Committed events of ``name`` with numbers above ``after``, in order, at most ``limit``."""
    ensure(0 < limit <= READ_LIMIT_MAX, "a read is bounded", limit=limit)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT epoch, seq, kind, at, data::text FROM event"
            " WHERE stream = %s AND seq > %s ORDER BY seq LIMIT %s",
            [name, after, limit],
        )
        rows = cursor.fetchall()
    return [
        Event(name, epoch, seq, kind, at, json.loads(data)) for epoch, seq, kind, at, data in rows
    ]


def position(name: str) -> tuple[str, int]:
    """Epoch and last committed number of ``name``; ``InvariantBroken`` if there is no such stream.

    Beside state it is only true inside :func:`snapshot`.
    """
    found = find_position(name)
    if found is None:
        raise InvariantBroken("a stream is created before it is read", stream=name)
    return found


def read_older(name: str, after: int, limit: int, lag_ms: int) -> tuple[list[Event], int]:
    """As :func:`read`, of events at least ``lag_ms`` old; and the number of the last such event."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(seq), 0) FROM event WHERE stream = %s"
            " AND at <= clock_timestamp() - %s * interval '1 millisecond'",
            [name, lag_ms],
        )
        last: int = cursor.fetchone()[0]
    return [event for event in read(name, after, limit) if event.seq <= last], last


@contextmanager
def snapshot(name: str) -> Iterator[tuple[str, int]]:
    """A read-only transaction in which state and position are of one instant; yields the position.

    What is read inside is the state after exactly the events up to that number: a reader that
    applies the following ones has the same as a fresh snapshot. Two statements of an ordinary
    transaction see two instants, and an event between them would be lost or applied twice.
    """
    ensure(not connection.in_atomic_block, "a snapshot is a transaction of its own", stream=name)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield position(name)


def find_position(name: str) -> tuple[str, int] | None:
    """Like :func:`position`, or ``None`` where a name from outside is no stream."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch, seq FROM event_stream WHERE name = %s", [name])
        row = cursor.fetchone()
    return None if row is None else (row[0], row[1])


def new_epoch(name: str) -> str:
    """Start a new epoch, telling every reader to take a fresh snapshot; returns it.

    For restores and repairs: numbers go on counting, but nobody may assume to know what came
    before. Takes the stream's row lock.
    """
    entering(LockRank.STREAM, name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_new_epoch(%s)", [name])
        epoch: str | None = cursor.fetchone()[0]
    if epoch is None:
        raise InvariantBroken("a stream is created before it gets a new epoch", stream=name)
    return epoch

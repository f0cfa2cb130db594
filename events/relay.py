"""The relay: from the outbox to Valkey, at least once, in the order of each stream.

One relay is active (`events.lease`), others stand by. The active one is woken by NOTIFY, looks each
second anyway, publishes waiting rows in one pipeline (`PUBLISH faro:s:<stream>` for those who
listen, `XADD faro:h:<stream>` for those who come late) and only then marks them published. Killed
between the two it publishes again: readers drop what they have by (epoch, number). Nothing is
decided from Valkey, so losing it loses nothing: rows wait in the outbox until it is back.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import redis
from django.conf import settings
from django.db import connection

from events.lease import RENEWALS_PER_TTL, Lease
from events.stream import Event
from events.wire import frame
from kernel.clock import monotonic_ms

logger = logging.getLogger(__name__)

#: Rows per pipeline: about 200 kB of frames, a few milliseconds.
BATCH_MAX: Final = 500
#: Frames kept per stream for readers who come late; older ones are in PostgreSQL.
HISTORY_FRAMES: Final = 256
#: The net under NOTIFY, which forgets listeners that are not there.
POLL_MS: Final = 1_000
#: A standby looks this often, so that it takes over within the TTL and half a second.
STANDBY_POLL_MS: Final = 200
BACKOFF_MS_MIN: Final = 100
BACKOFF_MS_MAX: Final = 2_000
#: Published outbox rows are kept this long for whoever looks into an incident, then cleared.
KEEP_PUBLISHED: Final = "1 hour"
CLEAR_EVERY_MS: Final = 60_000
CLEAR_ROWS_MAX: Final = 5_000

_WAITING = """
SELECT o.id, e.stream, e.epoch, e.seq, e.kind, e.at, e.data::text
FROM event_outbox o JOIN event e ON e.stream = o.stream AND e.seq = o.seq AND e.at = o.at
WHERE o.published_at IS NULL ORDER BY o.id LIMIT %s
"""
# One statement: a relay frozen here holds no lock, and one that lost its lease marks nothing.
_MARK = """
WITH lease AS (
    UPDATE event_relay_lease SET expires_at = clock_timestamp() + %s * interval '1 ms'
    WHERE name = %s AND owner = %s AND token = %s RETURNING 1
)
UPDATE event_outbox SET published_at = clock_timestamp()
WHERE id = ANY(%s) AND published_at IS NULL AND EXISTS (SELECT FROM lease)
"""
_CLEAR = f"""
DELETE FROM event_outbox WHERE id IN (
    SELECT id FROM event_outbox WHERE published_at < clock_timestamp() - interval '{KEEP_PUBLISHED}'
    ORDER BY published_at LIMIT {CLEAR_ROWS_MAX})
"""  # noqa: S608  (constants)


def channel(stream: str) -> str:
    """The Valkey channel on which frames of ``stream`` are published."""
    return f"faro:s:{stream}"


def history(stream: str) -> str:
    """The Valkey stream that keeps the latest frames of ``stream``."""
    return f"faro:h:{stream}"


@dataclass(slots=True)
class Counts:
    """What this process has done since it started."""

    published: int = 0
    takeovers: int = 0
    failures: int = 0


class Relay:
    """One relay process. ``run`` returns after ``stop``, having released the lease."""

    def __init__(self, *, ttl_ms: int = 3_000) -> None:
        self.lease = Lease("relay", ttl_ms)
        self.counts = Counts()
        self._stopping = threading.Event()
        self._backoff_ms = BACKOFF_MS_MIN
        self._renew_at_ms = 0
        self._clear_at_ms = 0

    def stop(self) -> None:
        """Ask ``run`` to end; it does within a third of the TTL. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Relay until stopped. Losing PostgreSQL or Valkey is waited out with growing pauses."""
        while not self._stopping.is_set():
            try:
                with _connect() as db:
                    try:
                        self._serve(db)
                    finally:
                        self._let_go(db)
            except psycopg.OperationalError as error:
                self._pause("PostgreSQL", error)

    def _serve(self, db: psycopg.Connection[Any]) -> None:
        db.execute("LISTEN faro_outbox")
        with _valkey(self._slice_ms()) as valkey:
            while not self._stopping.is_set():
                if self.lease.token is None and not self._take(db):
                    self._stopping.wait(STANDBY_POLL_MS / 1_000)
                    continue
                if monotonic_ms() >= self._renew_at_ms and not self._renew(db):
                    continue
                try:
                    full = self._publish_waiting(db, valkey) == BATCH_MAX
                    self._backoff_ms = BACKOFF_MS_MIN
                except redis.RedisError as error:
                    self._pause("Valkey", error)
                    continue
                self._clear(db)
                if not full:
                    self._await_news(db)

    def _publish_waiting(self, db: psycopg.Connection[Any], valkey: redis.Redis) -> int:
        rows = db.execute(_WAITING, [BATCH_MAX]).fetchall()
        if not rows:
            return 0
        _publish(valkey, [Event(*_event_fields(row)) for row in rows])
        lease = [self.lease.ttl_ms, self.lease.name, self.lease.owner, self.lease.token]
        marked = db.execute(_MARK, [*lease, [row[0] for row in rows]]).rowcount
        self._renew_at_ms = monotonic_ms() + self._slice_ms()
        self.counts.published += marked
        if marked == 0 and not self._renew(db):
            return 0
        return len(rows)

    def _take(self, db: psycopg.Connection[Any]) -> bool:
        if not self.lease.take(db):
            return False
        self.counts.takeovers += 1
        self._renew_at_ms = monotonic_ms() + self._slice_ms()
        logger.info("relay is active, token %d", self.lease.token)
        return True

    def _renew(self, db: psycopg.Connection[Any]) -> bool:
        self._renew_at_ms = monotonic_ms() + self._slice_ms()
        if self.lease.renew(db):
            return True
        logger.warning("relay lost its lease and stands by")
        return False

    def _clear(self, db: psycopg.Connection[Any]) -> None:
        if monotonic_ms() >= self._clear_at_ms:
            self._clear_at_ms = monotonic_ms() + CLEAR_EVERY_MS
            db.execute(_CLEAR)

    def _await_news(self, db: psycopg.Connection[Any]) -> None:
        wait_ms = min(POLL_MS, self._slice_ms())
        for _news in db.notifies(timeout=wait_ms / 1_000, stop_after=1):
            pass

    def _let_go(self, db: psycopg.Connection[Any]) -> None:
        if self.lease.token is not None and not db.closed:
            self.lease.release(db)
        self.lease.token = None

    def _pause(self, what: str, error: Exception) -> None:
        self.counts.failures += 1
        logger.warning("%s is away, trying again in %d ms: %s", what, self._backoff_ms, error)
        self._stopping.wait(min(self._backoff_ms, self._slice_ms()) / 1_000)
        self._backoff_ms = min(self._backoff_ms * 2, BACKOFF_MS_MAX)

    def _slice_ms(self) -> int:
        return max(1, self.lease.ttl_ms // RENEWALS_PER_TTL)


def _publish(valkey: redis.Redis, events: list[Event]) -> None:
    """Publish in order. A history refuses numbers it has: duplicates end there by themselves."""
    pipeline = valkey.pipeline(transaction=False)
    for event in events:
        text = frame(event)
        pipeline.publish(channel(event.stream), text)
        pipeline.xadd(
            history(event.stream), {"f": text}, id=f"{event.seq}-1", maxlen=HISTORY_FRAMES
        )
    answers = pipeline.execute(raise_on_error=False)
    for position, answer in enumerate(answers):
        if not isinstance(answer, Exception):
            continue
        if position % 2 == 0 or not isinstance(answer, redis.ResponseError):
            raise answer
        _mend_history(valkey, events[position // 2], answer)


def _mend_history(valkey: redis.Redis, event: Event, error: redis.ResponseError) -> None:
    """A refused number is a duplicate, unless the kept frames are of another epoch: start anew."""
    if "equal or smaller" not in str(error):
        raise error
    latest: Any = valkey.xrevrange(history(event.stream), count=1)
    if latest and json.loads(latest[0][1][b"f"])["e"] != event.epoch:
        valkey.delete(history(event.stream))
        valkey.xadd(history(event.stream), {"f": frame(event)}, id=f"{event.seq}-1")


def _event_fields(row: tuple[Any, ...]) -> tuple[str, str, int, str, Any, dict[str, Any]]:
    _, stream, epoch, seq, kind, at, data = row
    return stream, epoch, seq, kind, at, json.loads(data)


def _connect() -> psycopg.Connection[Any]:
    """A connection of its own, in autocommit: LISTEN needs the session for itself."""
    given = connection.get_connection_params()
    given.pop("cursor_factory", None)
    given.pop("context", None)
    given["application_name"] = "faro-relay"
    return psycopg.connect(**given, autocommit=True)


def _valkey(timeout_ms: int) -> redis.Redis:
    """A client that gives up well before the lease ends; retrying is our own business."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout_ms / 1_000,
        socket_connect_timeout=timeout_ms / 1_000,
        retry=None,
    )

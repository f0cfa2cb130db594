"""The push hub of a process: one follower per stream that somebody here looks at.

The follower (`events.feed`) passes on each event once and in order; the hub applies it to the
snapshot it keeps, serialises it once and queues it at every local socket, waiting for none. Who
joins gets the frames missed, out of the last 64, or the snapshot: both without a query. One hub
per event loop; everything but the reading of snapshots happens on that loop's thread, so joining
cannot fall between two events.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from threading import Barrier
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

import redis
from django.db import DatabaseError, InterfaceError, OperationalError, connections

from audit.shared_connections import take_own
from events.feed import follow
from events.people import People
from events.socket_queue import SocketQueue
from events.stream import Event
from events.wire import compact, frame
from kernel.clock import SystemClock, epoch_ms

logger = logging.getLogger(__name__)

#: docs/push.md: what a page can have missed and still catch up without a snapshot.
RING_FRAMES: Final = 64
#: docs/push.md: how often a page hears something, whatever happens.
BEAT_S: Final = 5
#: Pages reload and phones turn: a stream is followed on for so long after the last one left.
LINGER_S: Final = 30
#: Pause after a failure of the database, so that an outage is not hammered.
FAILURE_PAUSE_S: Final = 0.5
#: Database work at one time, in threads: reading (snapshots, accounts), and what players ask for
#: that waits for locks, apart so that nobody's news waits behind it.
READERS: Final = 2
ACTORS: Final = 4
#: A thread that works for longer when the hub closes is a bug.
DISCONNECT_S: Final = 10

Result = TypeVar("Result")
CLOCK: Final = SystemClock()


class Snapshot(Protocol):
    """The state of a stream after exactly the events up to ``n``."""

    @property
    def epoch(self) -> str: ...

    @property
    def n(self) -> int: ...

    def after(self, event: Event) -> Snapshot:
        """The snapshot one event later."""

    def frame(self, now_ms: int) -> str:
        """The snapshot as it goes over the wire."""


ReadSnapshot = Callable[[str], Snapshot]
#: Called with each event after it was queued; with None where a fresh snapshot took their place.
Watcher = Callable[[Event | None], None]


class Hub:
    """All streams that somebody in this process looks at, and the people who do."""

    def __init__(self) -> None:
        self._live: dict[str, LiveStream] = {}
        self._readers = ThreadPoolExecutor(READERS, "push", initializer=take_own)
        self._actors = ThreadPoolExecutor(ACTORS, "push-act", initializer=take_own)
        self.people = People()

    async def join(
        self, name: str, read: ReadSnapshot, queue: SocketQueue, *, since: str = ""
    ) -> LiveStream:
        """Put ``queue`` among the listeners of ``name``, with what it needs to be up to date.

        ``since`` is ``<epoch>:<n>`` of the last frame that the page has, or empty. Waits for the
        database only where nobody else looks at the stream.
        """
        live = self._live.get(name)
        if live is None:
            live = self._live[name] = LiveStream(name, read, self)
        await live.ready()
        live.enter(queue, since)
        return live

    def leave(self, live: LiveStream, queue: SocketQueue) -> None:
        """Take ``queue`` out; the stream is followed on for half a minute. Idempotent."""
        live.exit(queue)

    async def read(self, work: Callable[..., Result], *args: Any) -> Result:
        """``work`` in a thread with a database connection of its own, tried twice if that broke."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _connected, work, args)

    async def act(self, work: Callable[..., Result], *args: Any) -> Result:
        """As :meth:`read`, for an idempotent act: it may wait for locks, and news do not wait."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._actors, _connected, work, args)

    def forget(self, live: LiveStream) -> None:
        """A stream that nobody looks at any more."""
        if self._live.get(live.name) is live:
            del self._live[live.name]

    def send_away(self, code: int) -> None:
        """Have every socket close with ``code``, since the server stops."""
        for live in self._live.values():
            live.send_away(code)

    async def close(self) -> None:
        """End every follower, for tests and shutdown."""
        for live in list(self._live.values()):
            await live.end()
        await self.people.close()
        for pool, threads in ((self._readers, READERS), (self._actors, ACTORS)):
            meeting = Barrier(threads)  # so that each thread of the pool gets one of the jobs
            loop = asyncio.get_running_loop()
            jobs = [loop.run_in_executor(pool, _disconnect, meeting) for _ in range(threads)]
            await asyncio.gather(*jobs)
            pool.shutdown(wait=False)


class LiveStream:
    """One stream: its follower, its newest snapshot, its latest frames, its listeners."""

    def __init__(self, name: str, read: ReadSnapshot, hub: Hub) -> None:
        self.name = name
        self._read = read
        self._hub = hub
        self._ring: deque[tuple[int, str]] = deque(maxlen=RING_FRAMES)
        self._listeners: set[SocketQueue] = set()
        self.watchers: set[Watcher] = set()
        self._snapshot: Snapshot | None = None
        self._reading: asyncio.Task[Snapshot] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._tasks = [asyncio.ensure_future(self._follow()), asyncio.ensure_future(self._beat())]

    async def ready(self) -> None:
        """Return when there is a snapshot; all who wait share one reading of it."""
        if self._snapshot is None:
            await asyncio.shield(self._begin_reading())

    async def resync(self, queue: SocketQueue) -> None:
        """A snapshot as the database has it now, for a page that met a gap.

        Pages that ask in the same moment share it. It may be newer than what the feed has brought;
        the page then ignores the frames that it has.
        """
        found = await asyncio.shield(self._begin_reading())
        queue.frame(found.frame(_now_ms()))

    def enter(self, queue: SocketQueue, since: str) -> None:
        """Register and queue what is missing, in one step of the loop."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        queue.follow(self._text)
        self._listeners.add(queue)
        missed = self._missed(since)
        for text in [self._text()] if missed is None else missed:
            queue.frame(text)

    def exit(self, queue: SocketQueue) -> None:
        """See :meth:`Hub.leave`."""
        self._listeners.discard(queue)
        if not self._listeners and self._linger is None:
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(LINGER_S, self._forsake)

    def send_away(self, code: int) -> None:
        """Close every listener."""
        for queue in self._listeners:
            queue.close(code)

    async def end(self) -> None:
        """Stop following."""
        self._forsake()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forsake(self) -> None:
        self._hub.forget(self)
        if self._linger is not None:
            self._linger.cancel()
        for task in self._tasks:
            task.cancel()

    def _text(self) -> str:
        if self._snapshot is None:  # only asked for after `ready`
            return compact({"k": "beat", "n": 0, "t": _now_ms()})
        return self._snapshot.frame(_now_ms())

    def _missed(self, since: str) -> list[str] | None:
        """The frames after ``since``; None where only a snapshot helps."""
        epoch, _, number = since.partition(":")
        newest = self._snapshot
        if newest is None or epoch != newest.epoch or not number.isdecimal() or len(number) > 18:
            return None
        n = int(number)
        if n > newest.n:  # this process is a moment behind the one that the page came from
            return [] if n - newest.n <= RING_FRAMES else None
        if n < newest.n and (not self._ring or self._ring[0][0] > n + 1):
            return None
        return [text for seq, text in self._ring if seq > n]

    def _begin_reading(self) -> asyncio.Task[Snapshot]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read_snapshot())
        return self._reading

    async def _read_snapshot(self) -> Snapshot:
        """The newer of the database's snapshot and ours, which stays in step with the frames."""
        found = await self._hub.read(self._read, self.name)
        mine = self._snapshot
        if mine is None or (mine.epoch, mine.n) == (found.epoch, found.n):
            self._snapshot = found
        elif mine.epoch == found.epoch and mine.n > found.n:
            return mine
        return found

    async def _follow(self) -> None:
        """Follow for ever; an outage of the database is waited out, Valkey's is the feed's."""
        follows_again = False
        while True:
            try:
                if follows_again:
                    await self._begin_anew()
                follows_again = True
                await self.ready()
                await self._follow_from_snapshot()
            except (DatabaseError, InterfaceError, redis.RedisError, OSError) as failure:
                logger.warning("stream %s is not followed: %s", self.name, failure)
                await asyncio.sleep(FAILURE_PAUSE_S)
            except Exception:
                logger.exception("stream %s begins anew after a bug", self.name)
                await asyncio.sleep(FAILURE_PAUSE_S)

    async def _follow_from_snapshot(self) -> None:
        """Until an event comes that does not continue what we have."""
        if self._snapshot is None:
            return
        async with aclosing(self._events(self._snapshot.n)) as events:
            async for event in events:
                if not self._take(event):
                    return

    async def _begin_anew(self) -> None:
        """Another epoch, or an outage: everybody gets a fresh snapshot instead of frames."""
        found = await self._hub.read(self._read, self.name)
        self._snapshot = found
        self._ring.clear()
        text = self._text()
        for queue in self._listeners:
            queue.frame(text)
        self._watched(None)

    def _events(self, after: int) -> AsyncGenerator[Event, None]:
        return follow(self.name, after)

    def _take(self, event: Event) -> bool:
        """Apply and fan out; False when only a fresh snapshot helps."""
        newest = self._snapshot
        if newest is None or event.epoch != newest.epoch or event.seq != newest.n + 1:
            return False
        self._snapshot = newest.after(event)
        text = frame(event)
        self._ring.append((event.seq, text))
        for queue in self._listeners:
            queue.frame(text)
        self._watched(event)
        return True

    def _watched(self, event: Event | None) -> None:
        for watch in list(self.watchers):
            watch(event)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self._snapshot is not None:
                text = compact({"k": "beat", "n": self._snapshot.n, "t": _now_ms()})
                for queue in self._listeners:
                    queue.frame(text)


def _now_ms() -> int:
    return epoch_ms(CLOCK.now())


def _connected(work: Callable[..., Result], args: tuple[Any, ...]) -> Result:
    """A thread of the hub keeps its connection; one that the server has closed is made anew."""
    try:
        return work(*args)
    except (OperationalError, InterfaceError):
        connections.close_all()
        return work(*args)


def _disconnect(meeting: Barrier) -> None:
    meeting.wait(DISCONNECT_S)
    connections.close_all()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def local_hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub

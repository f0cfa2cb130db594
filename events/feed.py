"""Following a stream as it grows: Valkey for speed, PostgreSQL for truth.

A feed subscribes first and reads the database second, so nothing falls between. A frame that
continues the last number is passed on as it is; a hole, a change of epoch or too long a silence
sends the feed to the database, since published messages may be lost and committed rows are not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection

from events import stream
from events.relay import channel
from events.stream import Event
from events.wire import parse

#: Silence after which the database is asked whether the last message was lost.
RECONCILE_MS: Final = 2_000
READ_LIMIT: Final = 256


async def follow(name: str, after: int) -> AsyncGenerator[Event, None]:
    """Every event of ``name`` with a number above ``after``, once each, in order, for ever.

    Without Valkey it goes on from the database every two seconds. A change of epoch shows in the
    events: who keeps state then takes a fresh snapshot.
    """
    last = after
    listener = _Listener(name)
    try:
        await listener.open()
        stale = True
        while True:
            if stale:
                while batch := await sync_to_async(_read)(name, last):
                    for event in batch:
                        yield event
                    last = batch[-1].seq
            heard = await listener.next(RECONCILE_MS)
            stale = heard is None or heard.seq > last + 1
            if heard is not None and heard.seq == last + 1:
                last = heard.seq
                yield heard
    finally:
        await listener.close()


async def wait_for(name: str, after: int, timeout_ms: int) -> list[Event]:
    """Events of ``name`` above ``after`` as soon as there is one; empty after ``timeout_ms``."""
    try:
        async with asyncio.timeout(timeout_ms / 1_000), aclosing(follow(name, after)) as events:
            async for event in events:
                rest = await sync_to_async(_read)(name, event.seq)
                return [event, *rest]
    except TimeoutError:
        return []
    return []


class _Listener:
    """One subscription that survives Valkey: when it is away, silence is all there is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Any = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
        self._pubsub: Any = None

    async def open(self) -> None:
        try:
            self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
            await self._pubsub.subscribe(channel(self._name))
        except (redis.RedisError, OSError):
            await self._drop()

    async def next(self, timeout_ms: int) -> Event | None:
        """The next frame heard, or None after ``timeout_ms`` of silence."""
        if self._pubsub is None:
            await asyncio.sleep(timeout_ms / 1_000)
            await self.open()
            return None
        try:
            async with asyncio.timeout(timeout_ms / 1_000):
                while True:
                    message = await self._pubsub.get_message(timeout=None)
                    if message is not None:
                        return parse(message["data"])
        except TimeoutError:
            return None
        except (redis.RedisError, OSError, ValueError):
            await self._drop()
            return None

    async def close(self) -> None:
        await self._drop()
        await self._client.aclose()

    async def _drop(self) -> None:
        if self._pubsub is not None:
            pubsub, self._pubsub = self._pubsub, None
            await pubsub.aclose()


def _read(name: str, after: int) -> list[Event]:
    """Read and give the connection back: a follower lives long and must not sit on one."""
    try:
        return stream.read(name, after, READ_LIMIT)
    finally:
        if not connection.in_atomic_block:
            connection.close()

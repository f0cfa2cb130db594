"""The hub: joining loses nothing, many cost one read, nobody waits for a slow socket."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from dataclasses import dataclass, field, replace

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connection, transaction

from casino.embedded import postgres, valkey
from events import hints, hub, socket_queue, stream
from events.hub import RING_FRAMES, Hub
from events.people import People
from events.relay import channel, history
from events.socket_queue import CLOSE_SLOW, FRAMES_MAX, SocketQueue
from events.stream import Event
from events.wire import compact, frame
from tests import sockets


@dataclass(frozen=True)
class Tally:
    """A state that is easy to check: every number that was applied."""

    epoch: str
    n: int
    applied: tuple[int, ...] = ()

    def after(self, event: Event) -> Tally:
        return replace(self, n=event.seq, applied=(*self.applied, event.seq))

    def frame(self, now_ms: int) -> str:
        return compact({"k": "snapshot", "e": self.epoch, "n": self.n})


@dataclass
class Reader:
    """Reads snapshots and counts it; ``gate`` holds a reading after it has seen the database."""

    gate: threading.Event | None = None
    reads: int = 0
    has_read: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str) -> Tally:
        self.reads += 1
        with stream.snapshot(name) as (epoch, n):
            found = Tally(epoch, n)
        self.has_read.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        return found


class Socket:
    """A socket that is written to by a queue; it can be slow."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.news = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.queue = SocketQueue(self._send)
        self.writer = asyncio.ensure_future(self.queue.write())

    async def _send(self, text: str) -> None:
        await self.open.wait()
        self.got.append(text)
        self.news.set()

    def frames(self) -> list[tuple[str, int]]:
        found = map(json.loads, self.got)
        return [(item["k"], item["n"]) for item in found if item["k"] != "beat"]

    async def until(self, count: int) -> list[tuple[str, int]]:
        async with asyncio.timeout(10):
            while len(self.frames()) < count:
                self.news.clear()
                await self.news.wait()
        return self.frames()


@pytest.fixture
def name(database):
    name = f"t:{os.urandom(6).hex()}"
    stream.create(name)
    yield name
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.delete(history(name))


@pytest.fixture
async def house(name):
    made = Hub()
    yield made
    await made.close()


def _append(name: str, count: int = 1, *, publish: bool = True) -> list[Event]:
    before = stream.position(name)[1]
    for _ in range(count):
        with transaction.atomic():
            stream.append(name, "tick", {})
    events = stream.read(name, before, count)
    if publish:
        with redis.Redis.from_url(django_settings.REDIS_URL) as client:
            for event in events:
                client.publish(channel(name), frame(event))
    connection.close()
    return events


append = sync_to_async(_append)


def _new_epoch(name: str) -> None:
    with transaction.atomic():
        stream.new_epoch(name)


async def _joined(house: Hub, name: str, read: Reader, *, since: str = "") -> Socket:
    socket = Socket()
    await house.join(name, read, socket.queue, since=since)
    return socket


@pytest.mark.feature("F12")
async def test_an_event_between_the_snapshot_and_the_joining_is_not_lost(house, name):
    await append(name, 3)
    read = Reader(gate=threading.Event())
    joining = asyncio.ensure_future(_joined(house, name, read))
    assert await asyncio.to_thread(read.has_read.wait, 10)
    await append(name, 2)  # committed and published while the snapshot was read already
    read.gate.set()
    socket = await joining
    assert await socket.until(3) == [("snapshot", 3), ("tick", 4), ("tick", 5)]


async def test_two_hundred_pages_that_come_at_once_cost_one_read(house, name):
    await append(name, 2)
    read = Reader()
    pages = await asyncio.gather(*[_joined(house, name, read) for _ in range(200)])
    await append(name)
    for page in pages:
        assert await page.until(2) == [("snapshot", 2), ("tick", 3)]
    assert read.reads == 1


async def test_a_page_that_comes_back_gets_what_it_missed_without_a_read(house, name):
    await append(name, 2)
    read = Reader()
    first = await _joined(house, name, read)
    epoch = (await sync_to_async(stream.position)(name))[0]
    await append(name, RING_FRAMES)
    await first.until(1 + RING_FRAMES)
    back = await _joined(house, name, read, since=f"{epoch}:{RING_FRAMES}")
    assert await back.until(2) == [("tick", RING_FRAMES + 1), ("tick", RING_FRAMES + 2)]
    nothing = await _joined(house, name, read, since=f"{epoch}:{RING_FRAMES + 2}")
    all_64 = await _joined(house, name, read, since=f"{epoch}:2")
    assert len(await all_64.until(RING_FRAMES)) == RING_FRAMES
    for other in (f"{epoch}:1", "0ld:60", f"{epoch}:", f"{epoch}:-1", "?", f"{epoch}:{10**30}"):
        page = await _joined(house, name, read, since=other)
        assert await page.until(1) == [("snapshot", RING_FRAMES + 2)]
    assert nothing.frames() == []
    assert read.reads == 1


async def test_a_resync_reads_the_database_once_for_all_who_ask(house, name):
    await append(name, 2)
    read = Reader()
    pages = [await _joined(house, name, read) for _ in range(10)]
    live = house._live[name]
    await asyncio.gather(*[live.resync(page.queue) for page in pages])
    for page in pages:
        assert await page.until(2) == [("snapshot", 2), ("snapshot", 2)]
    assert read.reads == 2


async def test_a_lost_message_is_found_by_the_database_within_two_seconds(house, name):
    page = await _joined(house, name, Reader())
    await page.until(1)
    await append(name, publish=False)
    began = time.monotonic()
    assert await page.until(2) == [("snapshot", 0), ("tick", 1)]
    assert time.monotonic() - began < 3


async def test_another_epoch_gives_everybody_a_fresh_snapshot(house, name):
    page = await _joined(house, name, Reader())
    await append(name)
    await page.until(2)
    await sync_to_async(_new_epoch)(name)
    await append(name)
    assert (await page.until(3))[2] == ("snapshot", 2)
    await append(name)
    assert (await page.until(4))[3] == ("tick", 3)


async def test_valkey_restarted_in_mid_round_loses_nothing(house, name, settings, tmp_path):
    port = postgres.free_port()
    server = valkey.Server(tmp_path / "valkey", port=port)
    settings.REDIS_URL = server.start()
    try:
        page = await _joined(house, name, Reader())
        await page.until(1)
        await append(name)
        assert await page.until(2) == [("snapshot", 0), ("tick", 1)]
        server.stop()
        began = time.monotonic()
        await append(name, publish=False)
        await page.until(3)
        assert time.monotonic() - began < 4
        server = valkey.Server(tmp_path / "valkey", port=port)
        server.start()
        await append(name, 2, publish=False)
        assert (await page.until(5))[2:] == [("tick", 2), ("tick", 3), ("tick", 4)]
    finally:
        server.stop()


async def test_a_killed_relay_costs_two_seconds_and_its_successor_repeats_nothing(house, name):
    page = await _joined(house, name, Reader())
    await page.until(1)
    with sockets.relaying():
        await append(name, 3, publish=False)
        await page.until(4)
    await append(name, 2, publish=False)
    await page.until(6)
    with sockets.relaying():
        await append(name, publish=False)
        assert await page.until(7) == [("snapshot", 0), *(("tick", n) for n in range(1, 7))]
        await asyncio.sleep(0.3)
        assert len(page.frames()) == 7


async def test_a_stream_is_followed_on_for_a_while_after_the_last_page(house, name, monkeypatch):
    monkeypatch.setattr(hub, "LINGER_S", 0.2)
    read = Reader()
    page = await _joined(house, name, read)
    live = house._live[name]
    house.leave(live, page.queue)
    again = await _joined(house, name, read)
    await asyncio.sleep(0.4)
    assert house._live[name] is live
    assert read.reads == 1
    house.leave(live, again.queue)
    await asyncio.sleep(0.4)
    assert name not in house._live


# -- one socket's queue ----------------------------------------------------------------------------


async def test_a_socket_that_reads_slowly_skips_to_the_newest_snapshot_and_keeps_its_answers():
    socket = Socket()
    newest = 0
    socket.queue.follow(lambda: compact({"k": "snapshot", "n": newest}))
    socket.open.clear()
    socket.queue.frame(compact({"k": "tick", "n": 0}))
    await asyncio.sleep(0.02)  # the writer is at it
    for number in range(1, 3 * FRAMES_MAX):
        newest = number
        socket.queue.frame(compact({"k": "tick", "n": number}))
    socket.queue.answer(compact({"k": "pong", "n": -1}))
    for balance in range(5):
        socket.queue.state(compact({"k": "account", "n": balance}))
    socket.open.set()
    assert await socket.until(4) == [
        ("tick", 0),
        ("pong", -1),
        ("snapshot", newest),
        ("account", 4),
    ]
    assert socket.queue.skipped >= FRAMES_MAX
    socket.queue.frame(compact({"k": "tick", "n": newest + 1}))
    assert (await socket.until(5))[4] == ("tick", newest + 1)


async def test_a_socket_that_takes_nothing_is_given_up_and_costs_the_others_nothing(monkeypatch):
    monkeypatch.setattr(socket_queue, "STALL_MS_MAX", 50)
    stuck, good = Socket(), Socket()
    stuck.open.clear()
    for number in range(3):
        for socket in (stuck, good):
            socket.queue.frame(compact({"k": "tick", "n": number}))
        await asyncio.sleep(0.06)
    assert await asyncio.wait_for(stuck.writer, 1) == CLOSE_SLOW
    assert await good.until(3) == [("tick", 0), ("tick", 1), ("tick", 2)]


async def test_a_closed_queue_writes_its_answers_and_ends_with_the_code():
    socket = Socket()
    socket.queue.frame(compact({"k": "tick", "n": 1}))
    socket.queue.answer(compact({"k": "closed", "n": 0}))
    socket.queue.close(4003)
    assert await asyncio.wait_for(socket.writer, 1) == 4003
    assert socket.frames() == [("closed", 0)]


# -- hints -----------------------------------------------------------------------------------------


class Guest:
    def __init__(self, user_id: int, session: str) -> None:
        self.user_id, self.session = user_id, session
        self.heard: list[str] = []

    def account_changed(self) -> None:
        self.heard.append("changed")

    def ordered_out(self, code: str) -> None:
        self.heard.append(code)


async def test_hints_reach_whom_they_concern_and_nobody_else():
    people = People()
    phone, desktop, ben = Guest(1, "a"), Guest(1, "b"), Guest(2, "c")
    for guest in (phone, desktop, ben):
        people.enter(guest)
    people.note_account(phone, 70)
    people.note_account(ben, 80)
    people.take(hints.Changed(frozenset({70, 71})))
    people.take(hints.Close(1, "signed_out", frozenset({"b"})))
    people.take(hints.Close(1, "excluded", None))
    assert phone.heard == ["changed", "excluded"]
    assert desktop.heard == ["signed_out", "excluded"]
    assert ben.heard == []
    people.exit(phone, 70)
    people.take(hints.Changed(frozenset({70})))
    assert phone.heard == ["changed", "excluded"]
    await people.close()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"k":"sing"}', '{"k":"close","user":1}'])
def test_what_is_no_hint_is_not_taken_for_one(text):
    with pytest.raises(ValueError):  # noqa: PT011  (json's own is one too)
        hints.parse(text)


def test_an_absent_valkey_costs_a_money_transaction_nothing(database, settings, monkeypatch):
    settings.REDIS_URL = f"redis://127.0.0.1:{sockets.free_port()}/0"
    monkeypatch.setattr(hints, "_client", None)
    began = time.monotonic()
    with transaction.atomic():
        hints.accounts_changed({1, 2})
    assert time.monotonic() - began < 0.1
    with transaction.atomic():
        hints.close_sockets(1, "excluded")


def test_a_refused_transaction_hints_nothing(database, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(hints, "_publish", lambda messages: bool(told.extend(messages)) or True)
    with transaction.atomic():
        hints.close_sockets(1, "excluded")
        transaction.set_rollback(True)
    assert told == []

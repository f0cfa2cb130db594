"""The relay and the feed: at least once, in order, whatever is killed, frozen or away."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import aclosing, contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connection, transaction

from casino.embedded import postgres, valkey
from events import relay as relay_module
from events import stream
from events.feed import follow, wait_for
from events.relay import Relay, channel, history
from events.wire import frame, parse

ROOT = Path(__file__).resolve().parents[2]
TTL_MS = 1_000


@pytest.fixture
def table(database):
    """A stream with a name of its own: the Valkey of the tests is shared."""
    name = f"t:{os.urandom(6).hex()}"
    stream.create(name)
    yield name
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.delete(history(name))


def _append(name: str, count: int = 1) -> None:
    for _ in range(count):
        with transaction.atomic():
            stream.append(name, "tick", {})


def _until(true, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


@contextmanager
def _running(**given):
    active = Relay(**({"ttl_ms": TTL_MS} | given))
    thread = threading.Thread(target=active.run)
    thread.start()
    try:
        yield active
    finally:
        active.stop()
        thread.join(20)


@contextmanager
def _process(database):
    command = [sys.executable, "manage.py", "relay", "--ttl-ms", str(TTL_MS), "--format", "json"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=database.environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _listening(name: str, url: str = ""):
    """Everything that is published for ``name``, as it comes."""
    heard: list[int] = []
    client = redis.Redis.from_url(url or django_settings.REDIS_URL)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(channel(name))
    pubsub.get_message(timeout=5)
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            message = pubsub.get_message(timeout=0.1)
            if message:
                heard.append(parse(message["data"]).seq)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        done.set()
        thread.join(10)
        pubsub.close()
        client.close()


def _waiting(owner) -> int:
    sql = "SELECT count(*) FROM event_outbox WHERE published_at IS NULL"
    return owner.execute(sql).fetchone()[0]


def _token(owner) -> int:
    return owner.execute("SELECT token FROM event_relay_lease WHERE name = 'relay'").fetchone()[0]


def _held(owner) -> bool:
    sql = "SELECT expires_at > clock_timestamp() FROM event_relay_lease WHERE name = 'relay'"
    return owner.execute(sql).fetchone()[0]


def _kept(name: str) -> list[str]:
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        return [fields[b"f"].decode() for _, fields in client.xrange(history(name))]


def test_events_are_published_in_order_and_kept_for_late_readers(table, owner):
    with _listening(table) as heard, _running():
        _append(table, 20)
        _until(lambda: _waiting(owner) == 0 and len(heard) == 20)
    assert heard == list(range(1, 21))
    assert _kept(table) == [frame(event) for event in stream.read(table, 0, 100)]


def test_what_was_appended_while_no_relay_ran_is_published_when_one_comes(table, owner):
    _append(table, 3)
    with _listening(table) as heard, _running():
        _until(lambda: heard == [1, 2, 3])


def test_a_relay_that_dies_between_publishing_and_marking_only_duplicates(
    table, owner, monkeypatch
):
    _append(table, 5)
    with _listening(table) as heard:
        with monkeypatch.context() as broken:
            broken.setattr(relay_module, "_MARK", "SELECT pg_terminate_backend(%s, %s, %s, %s, %s)")
            dying = Relay(ttl_ms=TTL_MS)
            with relay_module._connect() as db, relay_module._valkey(500) as client:
                assert dying.lease.take(db)
                with pytest.raises(psycopg.Error):
                    dying._publish_waiting(db, client)
        assert _waiting(owner) == 5
        with _running():
            _until(lambda: _waiting(owner) == 0 and len(heard) == 10)
    assert heard == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    assert [parse(text).seq for text in _kept(table)] == [1, 2, 3, 4, 5]


@pytest.mark.feature("F53")
def test_a_relay_killed_again_and_again_loses_nothing(table, database, owner):
    """Given a writer that goes on, three SIGKILLs lose no event; readers see duplicates at most."""
    stop = threading.Event()

    def write() -> None:
        try:
            while not stop.is_set():
                _append(table)
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    with _listening(table) as heard:
        writer.start()
        for _ in range(3):
            before = len(heard)
            with _process(database) as process:
                _until(lambda seen=before: len(heard) > seen + 20)
                process.send_signal(signal.SIGKILL)
                process.wait(10)
        stop.set()
        writer.join(20)
        with _running():
            _until(lambda: _waiting(owner) == 0)
        last = stream.position(table)[1]
        _until(lambda: last in heard)
    assert sorted(set(heard)) == list(range(1, last + 1))
    first_seen = list(dict.fromkeys(heard))
    assert first_seen == sorted(first_seen)


def test_of_two_relays_one_is_active(table, owner):
    with _listening(table) as heard, _running() as one:
        _until(lambda: one.lease.token == 1)
        with _running() as two:
            _append(table, 10)
            _until(lambda: _waiting(owner) == 0)
            assert (one.counts.published, two.counts.published) == (10, 0)
            assert two.lease.token is None
            one.stop()
            _until(lambda: two.lease.token == 2)
            _append(table, 5)
            _until(lambda: _waiting(owner) == 0 and len(heard) == 15)
            assert two.counts.published == 5
    assert heard == list(range(1, 16))


@pytest.mark.feature("F53")
def test_a_frozen_relay_is_replaced_within_its_lease_and_half_a_second(table, database, owner):
    with _listening(table) as heard, _process(database) as frozen:
        _until(lambda: _held(owner))
        with _running() as standby:
            _append(table)
            # Marked too: frozen between publishing and marking, the first one would be sent twice.
            _until(lambda: heard == [1] and _waiting(owner) == 0)
            frozen.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            _append(table)
            _until(lambda: _token(owner) == 2)
            took_ms = (time.monotonic() - stopped) * 1_000
            _until(lambda: 2 in heard)
            frozen.send_signal(signal.SIGCONT)
            _append(table, 10)
            _until(lambda: _waiting(owner) == 0 and 12 in heard)
            assert (_token(owner), standby.lease.token) == (2, 2)
            assert standby.counts.published == 11
    assert took_ms <= TTL_MS + 500
    assert sorted(set(heard)) == list(range(1, 13))


def test_a_relay_told_to_stop_releases_its_lease(table, database, owner):
    with _process(database) as process:
        _until(lambda: _held(owner))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert output == '{"ok": true, "published": 0}\n'
    assert not _held(owner)


def test_valkey_away_for_a_while_loses_nothing(database, owner, settings, tmp_path):
    name = "t:alexandria"
    stream.create(name)
    tmp_path.chmod(0o755)
    port = postgres.free_port()
    server = valkey.Server(tmp_path / "valkey", port=port)
    settings.REDIS_URL = server.start()
    with _running() as active:
        _append(name, 3)
        _until(lambda: _waiting(owner) == 0)
        server.stop()
        _append(name, 3)
        _until(lambda: active.counts.failures >= 2)
        assert _waiting(owner) == 3
        assert _held(owner)
        server = valkey.Server(tmp_path / "valkey", port=port)
        settings.REDIS_URL = server.start()
        _until(lambda: _waiting(owner) == 0)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        frames = [parse(fields[b"f"]).seq for _, fields in client.xrange(history(name))]
    server.stop()
    assert frames[-3:] == [4, 5, 6]


def test_a_new_epoch_begins_a_new_history(table, owner):
    with _running():
        _append(table, 3)
        _until(lambda: _waiting(owner) == 0)
        owner.execute("ALTER TABLE event DISABLE TRIGGER USER")
        owner.execute("DELETE FROM event")
        owner.execute("UPDATE event_stream SET seq = 0")  # as after restoring an older backup
        with transaction.atomic():
            stream.new_epoch(table)
        _append(table)
        _until(lambda: _waiting(owner) == 0)
    assert _kept(table) == [frame(event) for event in stream.read(table, 0, 10)]


async def _append_soon(name: str, count: int = 1) -> None:
    def run() -> None:
        try:
            _append(name, count)
        finally:
            connection.close()

    await sync_to_async(run)()


@pytest.mark.feature("F12")
async def test_a_feed_begins_in_the_database_and_goes_on_live(table):
    await _append_soon(table, 3)
    seen = []
    with _running():
        async with asyncio.timeout(20), aclosing(follow(table, 1)) as events:
            async for event in events:
                seen.append(event.seq)
                if event.seq in {3, 4}:
                    await _append_soon(table)
                if event.seq == 5:
                    break
    assert seen == [2, 3, 4, 5]


@pytest.mark.feature("F12")
async def test_a_feed_fills_holes_and_drops_what_it_has(table):
    """Given published frames that skip, repeat and arrive late, each event comes once, in order."""
    await _append_soon(table)
    seen = []
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    async with asyncio.timeout(20), aclosing(follow(table, 0)) as events:
        async for event in events:
            seen.append(event.seq)
            if event.seq == 1:
                await _append_soon(table, 4)
                frames = [frame(e) for e in await sync_to_async(_read_all)(table)]
                for position in (2, 1, 2, 0, 3, 4):
                    client.publish(channel(table), frames[position])
            if event.seq == 5:
                break
    client.close()
    assert seen == [1, 2, 3, 4, 5]


def _read_all(name: str):
    try:
        return stream.read(name, 0, 100)
    finally:
        connection.close()


@pytest.mark.feature("F12")
async def test_a_feed_goes_on_without_any_relay_or_valkey(table, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{postgres.free_port()}/0"
    await _append_soon(table, 2)
    assert [event.seq for event in await wait_for(table, 0, 10_000)] == [1, 2]
    waiting = asyncio.create_task(wait_for(table, 2, 15_000))
    await asyncio.sleep(0)
    await _append_soon(table)
    assert [event.seq for event in await waiting] == [3]


async def test_waiting_ends_empty_after_its_time(table):
    assert await wait_for(table, 0, 50) == []

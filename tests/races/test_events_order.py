"""Gap-free numbers in commit order: the naive ways fail, the stream's row lock does not."""

import threading

import psycopg
import pytest
from django.db import connection, transaction

from events import stream

WRITERS, EACH = 8, 25


def _naive(owner) -> None:
    owner.execute("CREATE TABLE naive (n bigint PRIMARY KEY)")
    owner.execute("CREATE SEQUENCE naive_n OWNED BY naive.n")
    owner.execute("GRANT SELECT, INSERT ON naive TO faro_app")
    owner.execute("GRANT USAGE ON SEQUENCE naive_n TO faro_app")


def _seen(owner) -> list[int]:
    return [row[0] for row in owner.execute("SELECT n FROM naive ORDER BY n").fetchall()]


def test_numbers_from_a_sequence_show_a_later_one_first_and_leave_gaps(database, owner):
    _naive(owner)
    take = "INSERT INTO naive VALUES (nextval('naive_n'))"
    with psycopg.connect(database.app_url) as slow, psycopg.connect(database.app_url) as fast:
        slow.execute(take)
        fast.execute(take)
        fast.commit()
        assert _seen(owner) == [2]  # a reader at "after 2" never sees 1 any more
        slow.rollback()
    assert _seen(owner) == [2]


def test_numbers_from_the_highest_one_collide(database, owner):
    _naive(owner)
    take = "INSERT INTO naive SELECT coalesce(max(n), 0) + 1 FROM naive"
    failed = threading.Event()

    def rival() -> None:
        with psycopg.connect(database.app_url) as db:
            try:
                db.execute(take)
            except psycopg.errors.UniqueViolation:
                db.rollback()
                failed.set()

    with psycopg.connect(database.app_url) as first:
        first.execute(take)
        other = threading.Thread(target=rival)
        other.start()
        while not owner.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            pass
        first.commit()
        other.join(10)
    assert failed.is_set()
    assert _seen(owner) == [1]


@pytest.mark.feature("F12")
def test_eight_writers_never_show_a_reader_a_gap_or_a_younger_event_first(database, owner):
    """Given rollbacks in between, every snapshot of a reader is exactly 1..k."""
    name = "t:race"
    stream.create(name)
    start = threading.Barrier(WRITERS)
    numbers: list[int] = []
    done = threading.Event()

    def write(writer: int) -> None:
        start.wait(10)
        try:
            for turn in range(EACH):
                with transaction.atomic():
                    seq = stream.append(name, "tick", {"writer": writer, "turn": turn})
                    if turn % 5 == 4:
                        transaction.set_rollback(True)
                if turn % 5 != 4:
                    numbers.append(seq)
        finally:
            connection.close()

    snapshots: list[list[int]] = []

    def watch() -> None:
        with psycopg.connect(database.app_url, autocommit=True) as db:
            while not done.is_set():
                rows = db.execute("SELECT seq FROM event WHERE stream = %s ORDER BY at", [name])
                snapshots.append([row[0] for row in rows.fetchall()])

    watcher = threading.Thread(target=watch)
    watcher.start()
    writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    [writer.start() for writer in writers]
    [writer.join(60) for writer in writers]
    done.set()
    watcher.join(10)
    total = WRITERS * EACH * 4 // 5
    assert sorted(numbers) == list(range(1, total + 1))
    assert all(seen == list(range(1, len(seen) + 1)) for seen in snapshots)
    assert stream.position(name)[1] == total
    waiting = owner.execute("SELECT seq FROM event_outbox ORDER BY id").fetchall()
    assert [row[0] for row in waiting] == list(range(1, total + 1))


def _counted(owner, name: str) -> None:
    stream.create(name)
    owner.execute("CREATE TABLE counted (value bigint NOT NULL)")
    owner.execute("INSERT INTO counted VALUES (0)")
    owner.execute("GRANT SELECT, UPDATE ON counted TO faro_app")


def _count(name: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE counted SET value = value + 1")
        stream.append(name, "counted", {})


def _value() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM counted")
        return cursor.fetchone()[0]


def _in_a_rival(name: str) -> None:
    def run() -> None:
        try:
            _count(name)
        finally:
            connection.close()

    rival = threading.Thread(target=run)
    rival.start()
    rival.join(10)


def test_state_and_position_of_an_ordinary_transaction_are_of_two_instants(database, owner):
    _counted(owner, "t:count")
    with transaction.atomic():
        value = _value()
        _in_a_rival("t:count")
        _, seq = stream.position("t:count")
    assert (value, seq) == (0, 1)  # event 1 is in neither the state nor what follows


@pytest.mark.feature("F12")
def test_a_snapshot_and_the_events_after_it_equal_a_fresh_snapshot(database, owner):
    _counted(owner, "t:count")
    _count("t:count")
    with stream.snapshot("t:count") as (_, seq):
        _in_a_rival("t:count")
        value = _value()
    assert (value, seq) == (1, 1)
    value += len(stream.read("t:count", seq, 10))
    with stream.snapshot("t:count") as (_, fresh_seq):
        assert (_value(), fresh_seq) == (value, 2)

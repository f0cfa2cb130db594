"""The one lock order: kept by a guard, and why it is there."""

import threading
from contextlib import suppress

import psycopg
import pytest
from django.db import connection, transaction

from audit.locks import LockRank, entering, lock_rows
from kernel.invariant import InvariantBroken

ORDERED = "SELECT stream FROM lock_probe WHERE stream = ANY(%s) ORDER BY stream FOR UPDATE"


def test_a_lower_rank_after_a_higher_one_is_a_bug(database):
    with transaction.atomic():
        entering(LockRank.ACCOUNT)
        with pytest.raises(InvariantBroken, match="documented order"):
            entering(LockRank.PLAYER)


def test_ranks_going_down_the_list_and_repeated_ranks_are_fine(database):
    with transaction.atomic():
        for rank in LockRank:
            entering(rank)
            entering(rank)


def test_a_new_transaction_starts_at_the_top_of_the_list(database):
    with transaction.atomic():
        entering(LockRank.STREAM)
    with transaction.atomic():
        entering(LockRank.TABLE_OWNER)


def test_a_new_call_of_one_decorated_function_starts_at_the_top_of_the_list(database):
    @transaction.atomic
    def act():
        entering(LockRank.ROUND)
        entering(LockRank.STREAM)

    act()
    act()


def test_a_rolled_back_transaction_leaves_nothing_behind(database):
    with suppress(ZeroDivisionError), transaction.atomic():
        entering(LockRank.STREAM)
        1 / 0  # noqa: B018  (any failure)
    with transaction.atomic():
        entering(LockRank.ROUND)


def test_a_rolled_back_savepoint_gives_its_rank_back_as_the_database_gives_its_locks_back(database):
    with transaction.atomic():
        entering(LockRank.ROUND)
        with suppress(ZeroDivisionError), transaction.atomic():
            entering(LockRank.ACCOUNT)
            1 / 0  # noqa: B018  (any failure)
        entering(LockRank.PLAYER)
        with pytest.raises(InvariantBroken):
            entering(LockRank.ROUND)


def test_a_released_savepoint_keeps_its_rank(database):
    with transaction.atomic():
        with transaction.atomic():
            entering(LockRank.ACCOUNT)
        with pytest.raises(InvariantBroken):
            entering(LockRank.PLAYER)


def test_keys_of_one_rank_go_up(database):
    with transaction.atomic():
        entering(LockRank.STREAM, "t:alexandria")
        entering(LockRank.STREAM, "u:7")
        with pytest.raises(InvariantBroken):
            entering(LockRank.STREAM, "t:alexandria")


def test_a_lock_outside_a_transaction_is_a_bug(database):
    with pytest.raises(InvariantBroken, match="inside a transaction"):
        entering(LockRank.ROUND)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM event_stream FOR UPDATE",
        "SELECT 1 FROM event_stream ORDER BY name",
        "UPDATE event_stream SET seq = 1",
    ],
)
def test_a_locking_statement_that_does_not_order_and_lock_is_refused(database, sql):
    with pytest.raises(InvariantBroken, match="orders and locks"), transaction.atomic():
        lock_rows(LockRank.ROUND, sql)


def _probe(owner) -> None:
    owner.execute("CREATE TABLE lock_probe (stream text PRIMARY KEY)")
    owner.execute("INSERT INTO lock_probe VALUES ('a'), ('b')")
    owner.execute("GRANT SELECT, UPDATE ON lock_probe TO faro_app")


def test_two_transactions_that_lock_in_opposite_orders_deadlock(database, owner):
    """The race itself: what the guard is there to prevent."""
    _probe(owner)
    both_hold_one = threading.Barrier(2)
    deadlocks = []

    def rival(first: str, second: str) -> None:
        with psycopg.connect(database.app_url) as db:
            try:
                db.execute("SELECT 1 FROM lock_probe WHERE stream = %s FOR UPDATE", [first])
                both_hold_one.wait(10)
                db.execute("SELECT 1 FROM lock_probe WHERE stream = %s FOR UPDATE", [second])
            except psycopg.errors.DeadlockDetected as error:
                deadlocks.append(error)
                db.rollback()

    threads = [threading.Thread(target=rival, args=pair) for pair in (("a", "b"), ("b", "a"))]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert len(deadlocks) == 1


def test_the_same_two_through_lock_rows_wait_for_each_other_and_both_finish(database, owner):
    _probe(owner)
    started = threading.Barrier(2)
    done = []

    def rival(names: list[str]) -> None:
        started.wait(10)
        try:
            for _ in range(25):
                with transaction.atomic():
                    rows = lock_rows(LockRank.ROUND, ORDERED, [names])
                done.append([row[0] for row in rows])
        finally:
            connection.close()

    threads = [threading.Thread(target=rival, args=(n,)) for n in (["a", "b"], ["b", "a"])]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert done == [["a", "b"]] * 50

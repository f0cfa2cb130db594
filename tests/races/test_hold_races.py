"""Holds under threads: first the race as it happens without the lock, then that ours has none."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection

from audit.database_clock import database_now
from kernel.refusal import Refused
from ledger import tasks
from ledger.holds import Captured, Held
from ledger.postings import LedgerCode
from tests.flows.ledger_steps import (
    assert_books_clean,
    books,
    captured,
    correction,
    funded,
    held,
    house,
    posted,
    voided,
    wait_until_due,
)
from tests.races.test_ledger_races import at_once


def ends() -> list[tuple[str, int | None]]:
    """Outcome and captured amount of every hold that ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT outcome, captured FROM ledger_hold_end ORDER BY hold")
        return cursor.fetchall()


def codes(results) -> list[LedgerCode]:
    return [one.code for one in results if isinstance(one, Refused)]


def test_without_the_lock_two_captures_both_find_the_hold_open(database, owner):
    """Look, decide, write: two amounts leave for one hold (scratch table)."""
    owner.execute("CREATE TABLE scratch (id int PRIMARY KEY, state text, posted bigint)")
    owner.execute("INSERT INTO scratch VALUES (1, 'open', 100)")
    looked = threading.Barrier(2)

    def capture():
        with psycopg.connect(database.owner_url) as db:
            state = db.execute("SELECT state FROM scratch WHERE id = 1").fetchone()[0]
            looked.wait(timeout=20)
            if state == "open":
                db.execute("UPDATE scratch SET state = 'captured', posted = posted - 80")

    at_once([capture, capture])

    assert owner.execute("SELECT state, posted FROM scratch").fetchone() == ("captured", -60)


def test_of_captures_at_once_one_takes_the_hold(database):
    ada, at = funded(1, 1_000), house()
    taken = 0
    for _ in range(8):
        one = correction(ada, 80, at)
        held(one)
        results = at_once([lambda n=n, one=one: captured(one.id, 70 + n) for n in range(4)])
        (done,) = [result for result in results if isinstance(result, Captured)]
        assert codes(results) == [LedgerCode.STALE_HOLD] * 3
        taken += done.amount_minor
        assert (posted(ada), posted(at)) == (1_000 - taken, taken)
    assert_books_clean()


@pytest.mark.feature("F60")
def test_one_capture_many_times_at_once_is_one_transfer_and_one_answer(database):
    ada, at = funded(1, 1_000), house()
    one = correction(ada, 80, at)
    held(one)
    results = at_once([lambda: captured(one.id, 75)] * 12)
    assert sorted(done.replayed for done in results) == [False] + [True] * 11
    assert len({(done.batch, done.posted_at) for done in results}) == 1
    assert (posted(ada), posted(at), ends()) == (925, 75, [("captured", 75)])
    assert_books_clean()


@pytest.mark.feature("F58")
def test_holds_at_once_never_pass_below_the_floor(database):
    ada, at = funded(1, 100), house()
    results = at_once([lambda: held(correction(ada, 30, at)) for _ in range(12)])
    assert sum(isinstance(one, Held) for one in results) == 3
    assert codes(results) == [LedgerCode.REFUSED_TRANSFER] * 9
    assert_books_clean()


def test_one_id_for_two_accounts_at_once_is_one_hold(database):
    """No account lock orders them: the key of the table does."""
    cash, at = [funded(n, 100) for n in range(1, 9)], house()
    first = correction(cash[0], 30, at)
    results = at_once([lambda one=one: held(correction(one, 30, at, id=first.id)) for one in cash])
    assert sum(isinstance(one, Held) for one in results) == 1
    assert codes(results) == [LedgerCode.KEY_CONFLICT] * 7
    assert len(books()["hold"]) == 1
    assert_books_clean()


def test_a_capture_that_waited_beyond_the_deadline_takes_nothing(database, owner):
    """It asked in time and got its account too late: the clock is read after the lock."""
    ada, at = funded(1, 1_000), house()
    one = correction(ada, 80, at)
    expires_at = held(one, timeout_ms=3_000).expires_at
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = %s"
    )
    with psycopg.connect(database.owner_url) as rival, ThreadPoolExecutor(1) as pool:
        rival.execute("SELECT FROM ledger_account WHERE id = %s FOR UPDATE", [ada])
        done = pool.submit(lambda: at_once([lambda: captured(one.id)]))
        while owner.execute(waiting, [database.name]).fetchone() == (0,):
            assert not done.done()
        assert database_now() < expires_at
        wait_until_due(expires_at)
        rival.rollback()
        (refusal,) = done.result(timeout=20)
    assert (refusal.code, refusal.data["state"]) == (LedgerCode.STALE_HOLD, "expired")
    assert (posted(ada), ends()) == (1_000, [])


def test_a_capture_a_void_and_the_job_meet_and_the_hold_ends_once(database):
    ada, at = funded(1, 1_000), house()
    for n in range(10):
        one = correction(ada, 10, at)
        expires_at = held(one, timeout_ms=20 + n).expires_at

        def expire(expires_at=expires_at):
            wait_until_due(expires_at)
            return tasks.expire_holds()

        results = at_once(
            [
                expire,
                expire,
                lambda one=one: captured(one.id, 7),
                lambda one=one: voided(one.id),
            ]
        )
        assert set(codes(results)) <= {LedgerCode.STALE_HOLD}
        tasks.expire_holds()
        assert len(ends()) == n + 1
    taken = sum(amount for _, amount in ends() if amount)
    assert (posted(ada), posted(at)) == (1_000 - taken, taken)
    assert_books_clean()


def test_four_jobs_at_once_end_each_hold_once(database, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH", 3)
    cash, at = [funded(n, 100) for n in (1, 2, 3)], house()
    for n in range(18):
        expires_at = held(correction(cash[n % 3], 5, at), timeout_ms=1).expires_at
    wait_until_due(expires_at)
    counts = at_once([tasks.expire_holds] * 4)
    assert sum(counts) + tasks.expire_holds() == 18
    assert ends() == [("expired", None)] * 18
    assert_books_clean()

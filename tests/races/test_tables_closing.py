"""Closing betting against batches of other processes. Each lock is first shown missing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import transaction

from ledger.checks import run_checks
from tables import locks
from tables.models import Bet, Round
from tables.phases import Phase
from tests import house
from tests.conftest import ROOT

#: What a batch may take on a busy two-core machine before we call it broken; keeps a very fast
#: measured batch time from turning scheduling noise into a failure.
BATCH_FLOOR_MS = 120


@contextmanager
def workers(database, players, *, count, mode="bet", tables=("alexandria",), **options):
    """Betting processes that began together; killed at the end whatever happens."""
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.races.betting_worker"),
                *("--mode", mode, "--table", tables[n % len(tables)], "--seed", str(n)),
                *("--players", ",".join(map(str, players))),
                *(word for k, v in options.items() for word in (f"--{k}", str(v))),
            ],
            cwd=ROOT,
            env=database.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]
    try:
        for process in running:
            until_said(process, "ready")
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        yield running
    finally:
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()


def until_said(process, word):
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"{word} was never said")


def close_betting(timeout_ms=5_000):
    """What the runner does to close; how long it waited for the lock, in ms. None: never got in."""
    from django.db import OperationalError, connection

    began = time.monotonic()
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{timeout_ms}ms"])
            round_, _ = locks.lock_current_round("alexandria")
            waited_ms = (time.monotonic() - began) * 1000
            Round.objects.filter(id=round_.id).update(phase=Phase.NO_MORE_BETS)
    except OperationalError:
        return None
    return waited_ms


def some_players(count):
    return [house.player(balance_minor=100_000) for _ in range(count)]


def answers(running):
    said = [(*process.communicate(timeout=60), process.returncode) for process in running]
    for _, errors, status in said:
        assert status == 0, errors
    return [json.loads(out) for out, *_ in said]


@pytest.fixture
def open_round(database):
    pit = house.pit()
    pit.open_round()
    return pit


def test_without_the_round_lock_bets_are_taken_after_the_close_was_decided(database, open_round):
    """Share locks overlap for ever: the closer starves while bets go on being accepted."""
    players = some_players(30)
    with workers(database, players, count=3, mode="share", seconds=5):
        time.sleep(1)
        before = Bet.objects.count()
        waited_ms = close_betting(timeout_ms=1_500)
        taken = Bet.objects.count() - before
    assert waited_ms is None or waited_ms > 1_500
    assert taken > 0


@pytest.mark.feature("F11")
def test_the_closer_gets_in_within_three_batches_of_three_processes(database, open_round):
    players = some_players(30)
    with workers(database, players, count=3, seconds=20) as running:
        time.sleep(1)
        waited_ms = close_betting()
        done = answers(running)
    closed_count = Bet.objects.count()
    batch_ms = max(BATCH_FLOOR_MS, *(answer["slowest_ms"] for answer in done))
    assert waited_ms is not None
    assert waited_ms <= 3 * batch_ms
    assert sum(answer["accepted"] for answer in done) == closed_count > 0
    assert run_checks().ok


def test_without_session_time_outs_a_stopped_process_blocks_the_close(database, open_round):
    with workers(database, some_players(3), count=1, mode="freeze-unbound") as (frozen,):
        until_said(frozen, "frozen")
        assert close_betting(timeout_ms=1_500) is None


def test_a_stopped_process_delays_the_close_by_less_than_a_second(database, open_round):
    players = some_players(30)
    with (
        workers(database, players, count=1, mode="freeze") as (frozen,),
        workers(database, players, count=2, seconds=20) as running,
    ):
        until_said(frozen, "frozen")
        waited_ms = close_betting()
        answers(running)
    assert waited_ms is not None
    assert waited_ms <= 1_000
    assert run_checks().ok


@contextmanager
def held_for_a_while(database):
    """Another process holds the round and lets go by itself; at the end, when it did."""
    held, let_go = threading.Event(), []

    def hold():
        with psycopg.connect(database.app_url) as rival, rival.transaction():
            rival.execute("SELECT id FROM tables_round FOR NO KEY UPDATE")
            held.set()
            time.sleep(0.4)
            let_go.extend(rival.execute("SELECT clock_timestamp()").fetchone())

    holding = threading.Thread(target=hold)
    holding.start()
    assert held.wait(10)
    yield let_go
    holding.join()


def test_a_clock_read_beside_the_lock_has_the_time_before_the_wait(database, open_round):
    beside = "SELECT clock_timestamp() FROM tables_round ORDER BY number FOR NO KEY UPDATE"
    with held_for_a_while(database) as let_go, psycopg.connect(database.app_url) as db:
        [now] = db.execute(beside).fetchone()
    assert now < let_go[0]


def test_the_time_of_a_bet_is_read_after_the_wait_for_its_round(database, open_round):
    with held_for_a_while(database) as let_go, transaction.atomic():
        round_, now = locks.lock_current_round("alexandria")
    assert round_ == open_round.round()
    assert now >= let_go[0]


def test_what_is_read_of_a_round_is_what_the_one_before_wrote(database, open_round):
    """Phase and table are those of after the wait, not those of when the wait began."""
    held = threading.Event()

    def suspend():
        with psycopg.connect(database.app_url) as rival, rival.transaction():
            rival.execute("SELECT id FROM tables_round FOR NO KEY UPDATE")
            held.set()
            time.sleep(0.4)
            rival.execute("UPDATE tables_round SET phase = 'suspended', result_sources = '[\"a\"]'")
            rival.execute("UPDATE tables_table SET status = 'suspended'")

    suspending = threading.Thread(target=suspend)
    suspending.start()
    assert held.wait(10)
    with transaction.atomic():
        round_, _ = locks.lock_current_round("alexandria")
    suspending.join()
    assert (round_.phase, round_.table.status) == ("suspended", "suspended")
    assert round_.result_sources == ["a"]
    fresh = Round.objects.select_related("table").get(id=round_.id)
    for model, other in ((round_, fresh), (round_.table, fresh.table)):
        assert [getattr(model, f.attname) for f in model._meta.concrete_fields] == [
            getattr(other, f.attname) for f in other._meta.concrete_fields
        ]


def deadlocks(database):
    with psycopg.connect(database.owner_url, autocommit=True) as db:
        db.execute("SELECT pg_stat_clear_snapshot()")
        return db.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()[0]


@pytest.fixture
def two_tables(database):
    for name in ("alexandria", "cordouan"):
        house.pit(name).open_round()


def test_without_the_player_order_batches_of_shared_players_deadlock(database, two_tables):
    names = ("alexandria", "cordouan")
    with workers(
        database, some_players(14), count=4, mode="unordered", tables=names, seconds=6
    ) as running:
        for process in running:
            process.wait(timeout=60)
        said = "".join(process.stderr.read() for process in running)
    assert said.count("deadlock") > 0


def test_a_thousand_batches_of_shared_players_meet_no_deadlock(database, two_tables):
    names = ("alexandria", "cordouan")
    with workers(
        database, some_players(14), count=4, tables=names, batches=250, slips=5, seconds=60
    ) as running:
        done = answers(running)
    assert deadlocks(database) == 0
    assert sum(answer["accepted"] for answer in done) == Bet.objects.count()
    assert run_checks().ok

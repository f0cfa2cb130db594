"""Runners that die, freeze or meet: one table, one runner, nothing lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from django.db import connection

from ledger.checks import run_checks
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.locks import LeaseLost
from tables.models import Round, TableHeartbeat
from tables.phases import Phase
from tables.play.lease import acquire, release, renew
from tables.play.rounds import advance
from tests import house
from tests.conftest import ROOT

LEASE_MS = 1_000


@contextmanager
def runner(database):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_tables", "--lease-ms", str(LEASE_MS)],
        cwd=ROOT,
        env=database.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


def wait_for(pit, phase, timeout_s=15.0):
    """Until the table's newest round is in ``phase``; the controller's heartbeats go on."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        pit.heartbeat()
        found = Round.objects.filter(table=pit.table).order_by("-number").first()
        if found is not None and found.phase == phase:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never {phase}: {found and found.phase}")


def bet(player, *stakes, key):
    slip = place_bets(player, "alexandria", key=key, currency="EUR", stakes=list(stakes))
    (answer,) = place_batch("alexandria", [slip])
    assert isinstance(answer, Receipt)


@pytest.mark.feature("F53", "F37")
@pytest.mark.parametrize("killed_in", ["betting", "no_more_bets", "result_pending"])
def test_a_killed_runner_is_replaced_and_the_round_concludes_exactly(database, killed_in):
    pit = house.pit(intermission_ms=600_000)
    anna = house.player(balance_minor=1_000)
    pit.wheel_state(2)
    with runner(database) as first:
        wait_for(pit, Phase.BETTING_OPEN)
        bet(anna, ("straight:7", 100), key="killed-runner")
        if killed_in != "betting":
            pit.wheel_state(4)
            wait_for(pit, Phase.SPINNING)
        if killed_in == "result_pending":
            pit.result(7)
            wait_for(pit, Phase.RESULT_PENDING)
        first.kill()
        first.wait()
    with runner(database):
        if killed_in == "betting":
            pit.wheel_state(4)
        if killed_in != "result_pending":
            wait_for(pit, Phase.SPINNING)
            pit.result(7)
        pit.confirm(7)
        settled = wait_for(pit, Phase.SETTLED)
    assert settled.result == 7
    assert house.balance(anna) == 900 + 3_600
    assert house.escrow_minor(settled.id) == 0
    assert run_checks().ok


def test_a_frozen_runner_loses_the_table_and_its_late_write_is_fenced(database):
    pit = house.pit(intermission_ms=600_000)
    pit.wheel_state(2)
    with runner(database) as frozen:
        wait_for(pit, Phase.BETTING_OPEN)
        frozen.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        lease = None
        while lease is None and time.monotonic() - began < 10:
            lease = acquire("alexandria", "second")
            time.sleep(0.01)
        assert lease is not None
        assert time.monotonic() - began <= LEASE_MS / 1000 + 0.5
        frozen.send_signal(signal.SIGCONT)
        pit.wheel_state(4)
        time.sleep(0.5)  # the woken runner sees the news; it must not act on it
        assert pit.round().phase == Phase.BETTING_OPEN
        advance(lease)
        assert pit.round().phase == Phase.NO_MORE_BETS


def test_a_lost_lease_writes_nothing(database):
    pit = house.pit()
    pit.wheel_state(2)
    old = acquire("alexandria", "first")
    assert old is not None
    release(old)
    new = acquire("alexandria", "second")
    assert new is not None
    assert new.token == old.token + 1
    with pytest.raises(LeaseLost):
        advance(old)
    assert not Round.objects.exists()
    assert not renew(old)
    assert renew(new)


def test_a_held_lease_is_not_given_twice(database):
    house.pit()
    assert acquire("alexandria", "first") is not None
    assert acquire("alexandria", "second") is None


def test_the_heartbeat_is_renewed_while_a_write_holds_the_owner_row(database):
    """Why heartbeat and owner are two rows: renewing must not wait for a long write."""
    import psycopg

    house.pit()
    lease = acquire("alexandria", "first")
    with psycopg.connect(database.app_url) as writer:
        writer.execute("SELECT 1 FROM tables_tableowner FOR SHARE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        before = TableHeartbeat.objects.get().expires_at
        assert renew(lease)
        assert TableHeartbeat.objects.get().expires_at > before

"""A device is retired while the runner opens a round: both happen without the lock, one with it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import connection, connections

from kernel.refusal import Refused
from tables import locks
from tables.devices import devices
from tables.models import Device, Round
from tables.play import rounds
from tests import house

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F23")]

WHEEL = "alexandria-wheel"
#: So long the runner waits for the other before it goes on alone, as it must behind a lock.
MEET_S = 1.5
WAIT_S = 30


def retire_while_a_round_opens(monkeypatch) -> str:
    """The wheel is retired after the runner found it well and before it opens its round."""
    pit = house.pit()
    pit.heartbeat()
    pit.wheel_state(2)
    looked, done = threading.Event(), threading.Event()
    opened = rounds._open

    def wait_and_open(*args):
        looked.set()
        until = time.monotonic() + MEET_S
        while not done.wait(0.05) and time.monotonic() < until:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # a session that idles in a transaction is ended
        return opened(*args)

    monkeypatch.setattr(rounds, "_open", wait_and_open)
    runner = threading.Thread(target=run, args=(pit,))
    runner.start()
    assert looked.wait(WAIT_S)
    try:
        devices.retire(WHEEL, reason="worn", version=1, actor=house.TESTER)
        return "retired"
    except Refused as refused:
        return str(refused.code)
    finally:
        done.set()
        runner.join(WAIT_S)


def run(pit: house.Pit) -> None:
    try:
        pit.step()
    finally:
        connections.close_all()


def test_without_the_tables_lock_a_round_opens_on_a_wheel_that_was_retired(monkeypatch):
    without = SimpleNamespace(
        lock_table=lambda _table_id: None, lock_current_round=locks.lock_current_round
    )
    monkeypatch.setattr(devices, "locks", without)
    assert retire_while_a_round_opens(monkeypatch) == "retired"
    assert Device.objects.get(id=WHEEL).retired_at is not None
    assert Round.objects.count() == 1


def test_with_the_lock_the_round_is_there_first_and_its_wheel_stays(monkeypatch):
    assert retire_while_a_round_opens(monkeypatch) == "round_in_play"
    assert Device.objects.get(id=WHEEL).retired_at is None
    assert Round.objects.count() == 1

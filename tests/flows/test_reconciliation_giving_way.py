"""What the worker runs gives way, and is what was asked for."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from kernel.ids import Actor
from payments import tasks
from payments.management.commands.reconcile import GIVES_WAY
from payments.reconciliation import attempts, giving_way
from payments.reconciliation.attempts import Cause

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F67")]


@pytest.fixture
def worker(database, monkeypatch, tmp_path):
    """Processes that the task starts are on the test's database."""
    for name, value in database.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RECONCILIATION_DIR", str(tmp_path))


def _niceness(stop: threading.Event, seen: list[int]) -> None:
    """How nice the processes are that this one started, while it waits for them."""
    while not stop.is_set():
        for thread in Path("/proc/self/task").iterdir():
            for child in (thread / "children").read_text().split():
                try:
                    if b"--waiting" in Path(f"/proc/{child}/cmdline").read_bytes():
                        seen.append(os.getpriority(os.PRIO_PROCESS, int(child)))
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has just ended
        time.sleep(0.01)


def test_what_the_worker_runs_gives_way_and_the_worker_stays_as_it_was(worker):
    asked = attempts.ask(Cause.NIGHTLY, actor=Actor.system("beat"))
    before, stop, seen = os.getpriority(os.PRIO_PROCESS, 0), threading.Event(), []
    looking = threading.Thread(target=_niceness, args=(stop, seen))
    looking.start()
    try:
        tasks.reconcile()
    finally:
        stop.set()
        looking.join()
    asked.refresh_from_db()
    assert (asked.state, asked.run_id is not None) == ("done", True)
    assert max(seen) == min(19, before + GIVES_WAY)  # 19 is the end
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_nothing_is_started_where_nothing_waits(worker, monkeypatch):
    monkeypatch.setattr(giving_way, "COMMAND", ("false",))
    assert giving_way.sweep(10)
    attempts.ask(Cause.NIGHTLY, actor=Actor.system("beat"))
    assert not giving_way.sweep(10)
    assert attempts.claim() is not None


def test_one_that_takes_too_long_is_ended_and_what_was_asked_for_still_waits(worker, monkeypatch):
    monkeypatch.setattr(giving_way, "COMMAND", ("sleep", "60"))
    attempts.ask(Cause.NIGHTLY, actor=Actor.system("beat"))
    assert not giving_way.sweep(0.2)
    assert attempts.is_due()

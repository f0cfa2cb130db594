"""One beat sends, the others wait for its lease to lapse."""

from __future__ import annotations

import pytest

from casino.beat import LeasedScheduler, _database
from casino.celery import app


@pytest.fixture
def beats(database) -> list[LeasedScheduler]:
    """Two beats, each with an owner's name of its own, as on two machines."""
    made = [LeasedScheduler(app=app, lazy=True) for _ in range(2)]
    for number, beat in enumerate(made):
        beat._lease.owner = f"machine-{number}"
    return made


def test_the_second_beat_is_silent_until_the_first_gives_up(beats):
    first, second = beats
    assert first._hold_lease()
    assert not second._hold_lease()
    assert first._hold_lease()  # renews
    first._lease.release(_database())
    assert second._hold_lease()
    assert not first._hold_lease()


def test_a_dead_beat_is_replaced_when_its_lease_lapses(beats, owner):
    first, second = beats
    assert first._hold_lease()
    owner.execute("UPDATE event_relay_lease SET expires_at = clock_timestamp() WHERE name = 'beat'")
    assert second._hold_lease()


def test_every_scheduled_task_exists(database):
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled - set(app.tasks) == set()
    assert {"audit.tasks.seal", "ledger.tasks.expire_holds", "payments.tasks.sweep"} <= scheduled
    assert "notices.tasks.sweep" in scheduled

"""Two sign-ons at once: first both get in without the lock or the index, then one of them does."""

from __future__ import annotations

import contextlib
import threading

import pytest
from django.db import connections

from audit.database_clock import database_now
from kernel.ids import Actor
from kernel.refusal import Refused
from tables import locks
from tables.presenters import shifts
from tables.presenters.models import Shift
from tests import house

pytestmark = pytest.mark.usefixtures("database")

#: So long one waits for the other before it goes on alone, as it must behind a lock.
MEET_S = 1.5
WAIT_S = 30


def both(monkeypatch, *sign_ons: tuple[str, int]) -> list[str]:
    """Both sign on, meeting after they looked and before they write; what each was answered."""
    meeting = threading.Barrier(len(sign_ons))
    looked = shifts.table_of

    def look_and_meet(presenter_id):
        found = looked(presenter_id)
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(MEET_S)
        return found

    monkeypatch.setattr(shifts, "table_of", look_and_meet)
    answers = ["never answered"] * len(sign_ons)

    def act(place: int, table_id: str, person: int) -> None:
        try:
            shifts.sign_on(table_id, person, Actor.staff(person))
            answers[place] = "signed on"
        except Refused as refusal:
            answers[place] = str(refusal.code)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=act, args=(place, *one)) for place, one in enumerate(sign_ons)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    return sorted(answers)


@pytest.fixture
def no_locks(monkeypatch):
    monkeypatch.setattr(locks, "lock_table", lambda _table_id: None)
    monkeypatch.setattr(locks, "lock_current_round", lambda _table_id: (None, database_now()))


@pytest.mark.feature("F26")
def test_without_lock_and_index_two_presenters_sign_on_at_one_table(monkeypatch, owner, no_locks):
    house.pit(presented=False)
    owner.execute("DROP INDEX shift_one_per_table")
    first, second = house.presenter(), house.presenter()
    answers = both(monkeypatch, ("alexandria", first), ("alexandria", second))
    assert answers == ["signed on", "signed on"]
    assert Shift.objects.count() == 2


@pytest.mark.feature("F26")
def test_with_the_lock_one_of_two_presenters_signs_on(monkeypatch, owner):
    house.pit(presented=False)
    owner.execute("DROP INDEX shift_one_per_table")
    first, second = house.presenter(), house.presenter()
    answers = both(monkeypatch, ("alexandria", first), ("alexandria", second))
    assert answers == ["signed on", "table_taken"]
    assert Shift.objects.count() == 1


@pytest.mark.feature("F26")
def test_the_index_alone_holds_it_too(monkeypatch, no_locks):
    house.pit(presented=False)
    first, second = house.presenter(), house.presenter()
    answers = both(monkeypatch, ("alexandria", first), ("alexandria", second))
    assert answers == ["signed on", "table_taken"]
    assert Shift.objects.count() == 1


@pytest.mark.feature("F26")
def test_without_the_index_one_presenter_signs_on_at_two_tables(monkeypatch, owner):
    house.pit(presented=False)
    house.pit("cordouan", presented=False)
    owner.execute("DROP INDEX shift_one_per_presenter")
    person = house.presenter()
    answers = both(monkeypatch, ("alexandria", person), ("cordouan", person))
    assert answers == ["signed on", "signed on"]  # each table's lock is another one


@pytest.mark.feature("F26")
def test_with_the_index_a_presenter_signs_on_at_one_of_two_tables(monkeypatch):
    house.pit(presented=False)
    house.pit("cordouan", presented=False)
    person = house.presenter()
    answers = both(monkeypatch, ("alexandria", person), ("cordouan", person))
    assert answers == ["presenter_elsewhere", "signed on"]
    assert Shift.objects.count() == 1

"""Two people act on one incident at once: one wins, the other is told. Lock first shown missing."""

import threading
from contextlib import suppress

import pytest
from django.db import connections

from kernel.refusal import Refused
from tables.incidents import desk as incident_desk
from tables.incidents import incidents, manual_result
from tables.incidents.procedures import Before
from tables.incidents.records import IncidentAct, ManualEntry
from tables.incidents.rules import IncidentCode
from tables.models import Incident
from tables.phases import Phase
from tests import house
from tests.flows.incident_steps import acting, bet, newest, person, tick_all

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def stop():
    """A stopped round, and two people with the incident's page open at one version."""
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    incident, boss, other = newest(), person(), person()
    tick_all(incident, boss, Before.DECIDE)
    return pit, incident, boss, other, anna


def at_once(*acts):
    """Each act in a thread of its own, let go together; what each came to."""
    came, gate = [None] * len(acts), threading.Barrier(len(acts))

    def run(place, act):
        try:
            gate.wait(20)
            came[place] = act()
        except Exception as failure:  # noqa: BLE001  (what it is, is what the test asks)
            came[place] = failure
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return came


def both_judged(monkeypatch):
    """Hold each act between its judgement and its writing until the other has judged as well."""
    real, gate = incident_desk.Desk.finish, threading.Barrier(2)

    def waits(desk, *args, **kwargs):
        with suppress(threading.BrokenBarrierError):  # the other waits for our lock, as it should
            gate.wait(1.5)
        return real(desk, *args, **kwargs)

    monkeypatch.setattr(incident_desk.Desk, "finish", waits)


def test_without_the_table_s_lock_both_are_allowed_to_act(stop, monkeypatch):
    """The last guard is the database's: one of them ends in a broken constraint, not an answer."""
    _, incident, boss, other, _ = stop
    both_judged(monkeypatch)
    monkeypatch.setattr(incident_desk.locks, "lock_table", lambda table_id: None)
    monkeypatch.setattr(incident_desk.locks, "lock_current_round", unlocked)
    came = at_once(
        lambda: incidents.note(acting(incident, boss), "mine"),
        lambda: incidents.note(acting(incident, other), "mine too"),
    )
    assert not any(isinstance(one, Refused) for one in came)
    assert sum(type(one).__name__ == "IntegrityError" for one in came) == 1


def unlocked(table_id):
    from audit.database_clock import database_now

    return None, database_now()


def test_a_void_and_a_note_at_once_are_one_act_and_one_stale_page(stop, monkeypatch):
    pit, incident, boss, other, anna = stop
    both_judged(monkeypatch)
    first, second = acting(incident, boss), acting(incident, other)
    came = at_once(
        lambda: incidents.void(first, "doubtful_number"),
        lambda: incidents.note(second, "wait"),
    )
    refusals = [one for one in came if isinstance(one, Refused)]
    assert [one.code for one in refusals] == [IncidentCode.STALE], came
    assert Incident.objects.get(id=incident.id).version == first.seen + 1
    voided = not isinstance(came[0], Refused)
    assert (pit.round().phase == Phase.VOIDED) is voided
    assert house.balance(anna) == (1_000 if voided else 900)


def test_two_first_numbers_at_once_are_one_number_and_one_stale_page(stop, monkeypatch):
    pit, incident, boss, other, _ = stop
    both_judged(monkeypatch)
    first, second = acting(incident, boss), acting(incident, other)
    came = at_once(lambda: manual_result.enter(first, 17), lambda: manual_result.enter(second, 17))
    assert [one.code for one in came if isinstance(one, Refused)] == [IncidentCode.STALE], came
    assert ManualEntry.objects.count() == 1
    assert pit.round().phase == Phase.SUSPENDED


def test_one_form_sent_five_times_at_once_acts_once(stop):
    _, incident, boss, *_ = stop
    form = acting(incident, boss)
    came = at_once(*[lambda: incidents.note(form, "the ball lies on 17") for _ in range(5)])
    assert sorted(one.replayed for one in came) == [False, True, True, True, True]
    assert IncidentAct.objects.filter(act="note").count() == 1

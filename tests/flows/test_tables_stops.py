"""What a stop leaves behind: status, causes, respins, refunds that wait, and what was seen."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from kernel.ids import Actor, new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from studio.protocol.messages import ObservationKind
from tables import tasks
from tables.corrections import corrections
from tables.incidents import incidents, manual_result
from tables.incidents import pages as incident_pages
from tables.incidents import view as incident_view
from tables.incidents.procedures import Before
from tables.incidents.records import IncidentAct, ManualEntry
from tables.incidents.rules import IncidentCode
from tables.incidents.sweep import Swept
from tables.models import Device, Incident, Table, TableStatus
from tables.phases import Phase
from tables.play import settlement, suspension
from tables.play.evidence import Fault
from tests import house
from tests.flows.incident_steps import (
    acting,
    bet,
    newest,
    person,
    refused,
    stopped,
    tick_all,
)

pytestmark = pytest.mark.usefixtures("database")


# What a stop leaves behind


def audited(kind):
    """Before and after of the newest event of this kind; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT before, after FROM audit_event WHERE kind = %s ORDER BY id DESC LIMIT 1",
            [kind],
        )
        found = cursor.fetchone()
    return found and tuple(json.loads(one) for one in found)


def test_a_person_cannot_suspend_a_closed_table_and_so_open_it_alone():
    house.pit(opened=False)
    with refused(suspension.FloorCode.TABLE_CLOSED):
        suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=person())
    assert Table.objects.get().status == TableStatus.CLOSED
    assert not Incident.objects.exists()
    assert audited("table.suspended") is None


def test_a_table_that_was_closed_when_it_stopped_is_closed_after_the_resume():
    house.pit(opened=False)
    suspension.suspend("alexandria", Fault.OPERATOR, detail="a bug", actor=Actor.system("runner"))
    assert Table.objects.get().status == TableStatus.SUSPENDED
    incident, boss = newest(), person()
    assert incident.status_before == TableStatus.CLOSED
    tick_all(incident, boss)
    incidents.resume(acting(incident, boss), "understood")
    assert Table.objects.get().status == TableStatus.CLOSED
    before, after = audited("table.resumed")
    assert (before["status"], after["status"]) == ("suspended", "closed")


@pytest.mark.feature("F44")
def test_stopping_and_opening_are_audited_with_the_status_before_and_after():
    pit = house.pit()
    before, after = audited("table.opened")
    assert (before, after) == ({"status": "closed"}, {"status": "open"})
    pit.open_round()
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=person())
    before, after = audited("table.suspended")
    assert before == {"status": "open", "phase": "betting_open"}
    assert (after["status"], after["phase"]) == ("suspended", "suspended")


def test_the_cause_of_whoever_stops_a_stopped_table_becomes_a_note_once():
    _, incident, *_ = stopped()
    boss, order = person(), new_id()
    for _ in range(2):
        found = suspension.suspend(
            "alexandria", Fault.OPERATOR, detail="smoke at the wheel", actor=boss, order=order
        )
        assert found == incident
    assert Incident.objects.count() == 1
    act = IncidentAct.objects.get()
    assert (act.act, act.actor, act.data) == ("note", str(boss), {"text": "smoke at the wheel"})
    incident.refresh_from_db()
    assert incident.version == act.n == 2
    assert audited("incident.note")[1]["text"] == "smoke at the wheel"


def test_a_new_cause_is_noted_on_every_open_incident_and_a_resume_is_not_confirmed_unread():
    pit, first, boss, _ = spun_again()
    suspension.suspend("alexandria", Fault.OPERATOR, detail="a glass fell", actor=boss)
    second, other, guard = newest(), person(), person()
    for incident in (first, second):
        tick_all(incident, boss)
    incidents.void(acting(second, boss), "operator_decision")
    pit.heartbeat()
    Incident.objects.filter(id=first.id).update(needs_second_person=True)
    incidents.resume(acting(first, boss), "swept")
    seen = Incident.objects.get(id=first.id)
    assert seen.proposed_by == str(boss)
    order = new_id()
    for _ in range(2):
        found = suspension.suspend(
            "alexandria", Fault.OPERATOR, detail="smoke", actor=guard, order=order
        )
        assert found == second
    with refused(IncidentCode.STALE):
        incidents.confirm_resume(acting(first, other, seen=seen.version))
    notes = IncidentAct.objects.filter(actor=str(guard))
    assert {(note.incident_id, note.data["text"]) for note in notes} == {
        (first.id, "smoke"),
        (second.id, "smoke"),
    }
    assert Table.objects.get().status == TableStatus.SUSPENDED
    incidents.confirm_resume(acting(first, other))  # having read it
    assert Table.objects.get().status == TableStatus.OPEN


def test_what_a_person_typed_has_no_devices_meaning():
    pit = house.pit()
    suspension.suspend("alexandria", Fault.OPERATOR, detail="closed", actor=person())
    shown = incident_view.view(newest().id, viewer=person())
    assert (shown.incident.detail, shown.code_meaning) == ("closed", "")
    tick_all(newest(), boss := person())
    incidents.resume(acting(newest(), boss), "over")
    pit.open_round()
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="hardware")
    pit.step()
    shown = incident_view.view(newest().id, viewer=boss)
    assert shown.code_meaning == "A sensor, the motor or the encoder reports a fault."


def spun_again():
    """A round that was stopped while its ball ran, and whose ball is launched again."""
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.close_betting()
    house.pace(spin_deadline_ms=0)
    pit.step()
    house.pace(spin_deadline_ms=75_000)
    first, boss = newest(), person()
    assert first.procedure == "no_result"
    tick_all(first, boss)
    pit.wheel_state(2)
    incidents.respin(acting(first, boss), "the ball lay on the rim")
    assert pit.round().phase == Phase.NO_SPIN
    return pit, first, boss, anna


@pytest.mark.feature("F20")
def test_a_respin_in_play_is_stopped_by_a_person_though_the_table_is_suspended():
    pit, first, boss, anna = spun_again()
    assert Table.objects.get().status == TableStatus.SUSPENDED
    suspension.suspend("alexandria", Fault.OPERATOR, detail="a glass fell", actor=boss)
    second = newest()
    assert second != first
    assert (second.phase_before, second.status_before) == ("no_spin", "suspended")
    assert pit.round().phase == Phase.SUSPENDED
    tick_all(second, boss)
    incidents.void(acting(second, boss), "operator_decision")
    assert (pit.round().phase, house.balance(anna)) == (Phase.VOIDED, 1_000)
    incidents.resume(acting(second, boss), "swept")
    assert Table.objects.get().status == TableStatus.OPEN


def test_how_a_round_ends_is_decided_at_the_incident_that_stopped_it_last():
    pit, first, boss, _ = spun_again()
    pit.wheel_state(3)
    pit.result(17)
    pit.confirm(20)
    pit.step()
    second, other = newest(), person()
    assert (second.procedure, second != first) == ("sources_disagree", True)
    with refused(IncidentCode.NEWER_INCIDENT):
        incidents.respin(acting(first, boss), "once more")
    with refused(IncidentCode.NEWER_INCIDENT):
        incidents.void(acting(first, boss), "no_valid_spin")
    with refused(IncidentCode.NEWER_INCIDENT):
        manual_result.enter(acting(first, boss), 17)
    with refused(IncidentCode.NOT_IN_PROCEDURE):
        incidents.respin(acting(second, boss), "once more")
    assert (pit.round().phase, pit.round().respins) == (Phase.SUSPENDED, 1)
    assert not ManualEntry.objects.exists()
    tick_all(second, boss, Before.DECIDE)
    assert not manual_result.enter(acting(second, boss), 17).official
    assert manual_result.enter(acting(second, other), 17).official


def voided_later(monkeypatch, table):
    """A stopped round with a bet, voided, its refunds not begun."""
    pit = house.pit(table)
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100), table=table)
    suspension.suspend(table, Fault.OPERATOR, detail="drill", actor=house.TESTER)
    incident, boss = newest(), person()
    tick_all(incident, boss)
    with monkeypatch.context() as patched:
        patched.setattr(incidents, "_refund", lambda round_id: False)
        incidents.void(acting(incident, boss), "operator_decision")
    return pit, anna


@pytest.mark.feature("F53")
@pytest.mark.parametrize(
    "failure",
    [
        Refused(settlement.SettlementCode.BETS_LEFT),
        InvariantBroken("escrow is empty"),
        OperationalError("canceling statement due to lock timeout"),
    ],
)
def test_a_refund_that_fails_stops_neither_the_others_nor_the_corrections(monkeypatch, failure):
    broken, anna = voided_later(monkeypatch, "alexandria")
    whole, ben = voided_later(monkeypatch, "cordouan")
    real, carried = settlement.void, []

    def void(round_id, **fields):
        if round_id == broken.round().id:
            raise failure
        real(round_id, **fields)

    monkeypatch.setattr(settlement, "void", void)
    monkeypatch.setattr(corrections, "finish_approved", lambda: carried.append(1) or Swept())
    assert tasks.finish_decisions() == 1
    assert carried == [1]
    assert (broken.round().phase, house.balance(anna)) == (Phase.SUSPENDED, 900)
    assert (whole.round().phase, house.balance(ben)) == (Phase.VOIDED, 1_000)
    assert incidents.finish_voids() == Swept(ended=0, failed=1)
    monkeypatch.setattr(settlement, "void", real)
    assert tasks.finish_decisions() == 1
    assert (broken.round().phase, house.balance(anna)) == (Phase.VOIDED, 1_000)


# What was seen


def test_the_numbers_shown_are_those_of_the_spin_that_was_judged_per_device_and_in_order():
    pit = house.pit()
    pit.open_round()
    pit.close_betting()
    pit.result(5)
    pit.report("wheel", ObservationKind.NO_SPIN, reason="too_few_revolutions")
    pit.step()
    assert pit.round().phase == Phase.NO_SPIN
    pit.wheel_state(2)
    pit.wheel_state(3)
    pit.result(17)
    pit.report("wheel", ObservationKind.RESULT, number=18, spin=1)
    pit.confirm(20)
    pit.step()
    incident = newest()
    for number in (0, 1, 2):  # somebody tests the wheel afterwards
        pit.result(number)
        pit.confirm(number)
    shown = incident_view.view(incident.id, viewer=person())
    sources = incident_pages._sources(shown)
    assert [(one["source"], [said["number"] for said in one["numbers"]]) for one in sources] == [
        ("Wheel", [17, 18]),
        ("Presenter", [20]),
    ]


def test_keypad_and_console_are_two_presenters_and_the_first_is_not_hidden():
    pit, incident, *_ = stopped()
    Device.objects.create(id="alexandria-console", table=pit.table, kind="console")
    line = next(
        one for one in incident_view.view(incident.id, viewer=person()).seen if one.number == 20
    )
    shown = incident_view.view(incident.id, viewer=person())
    shown = replace(
        shown, seen=(*shown.seen, replace(line, device="alexandria-console", number=17))
    )
    sources = incident_pages._sources(shown)
    assert [(one["source"], [said["number"] for said in one["numbers"]]) for one in sources] == [
        ("Wheel", [17]),
        ("Presenter (alexandria-keypad)", [20]),
        ("Presenter (alexandria-console)", [17]),
    ]


def test_the_story_is_told_in_the_order_in_which_we_heard_it_with_a_clock_that_differs():
    _, incident, *_ = stopped()
    shown = incident_view.view(incident.id, viewer=person())
    first, *others = shown.seen
    early = replace(first, captured_at=first.received_at - timedelta(hours=1))
    late = replace(others[-1], captured_at=others[-1].received_at - timedelta(hours=2))
    shown = replace(shown, seen=(early, *others[:-1], late))
    story = incident_pages._story(shown)
    assert [line["at"] for line in story] == sorted(line["at"] for line in story)
    assert story[0]["seen_at"] == early.captured_at
    assert [line.get("seen_at") for line in story].count(None) == len(story) - 2


def test_what_is_left_out_of_a_long_stop_is_said(monkeypatch):
    _, incident, *_ = stopped()
    shown = incident_view.view(incident.id, viewer=person())
    assert not shown.seen_cut
    monkeypatch.setattr(incident_view, "SEEN_MAX", 3)
    cut = incident_view.view(incident.id, viewer=person())
    assert (cut.seen, cut.seen_cut) == (shown.seen[:3], True)

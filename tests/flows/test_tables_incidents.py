"""Incidents as people work them off: each fault to its procedure, acts, stale pages, repeats."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.roles import Role
from audit.database_clock import database_now
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger.checks import run_checks
from studio.protocol.messages import ObservationKind
from tables.incidents import incidents, manual_result, procedures
from tables.incidents import view as incident_view
from tables.incidents.procedures import Before, Resolution
from tables.incidents.records import IncidentAct, ManualEntry
from tables.incidents.rules import Act, IncidentCode
from tables.incidents.sweep import Swept
from tables.models import BetOutcome, Incident, Round, Table, TableStatus
from tables.phases import Phase
from tables.play import suspension
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


# What each fault leads to, from what is observed in the studio


def sources_disagree(pit):
    pit.result(17)
    pit.confirm(20)


def source_missing(pit):
    house.pace(source_wait_ms=0)
    pit.result(17)


def result_changed(pit):
    pit.result(17)
    pit.report("wheel", ObservationKind.RESULT, number=18, spin=1)


def no_launch(pit):
    house.pace(launch_deadline_ms=0)


def no_result(pit):
    pit.wheel_state(4)
    house.pace(spin_deadline_ms=0)


def too_many_respins(pit):
    house.pace(respins_max=0)
    pit.report("wheel", ObservationKind.NO_SPIN, reason="too_few_revolutions")


def device_fault(pit):
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="lamp_out")


def device_silent(pit):
    house.pace(device_silence_ms=0)


def device_hardware(pit):
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="hardware")


def wheel_sequence(pit):
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="spin_jump")


def number_doubtful(pit):
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="number_mismatch")


def presenter_call(pit):
    pit.report("keypad", ObservationKind.PRESENTER_CALL)


def operator(pit):
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)


OBSERVED = (
    (sources_disagree, Fault.SOURCES_DISAGREE),
    (source_missing, Fault.SOURCE_MISSING),
    (result_changed, Fault.RESULT_CHANGED),
    (no_launch, Fault.NO_LAUNCH),
    (no_result, Fault.NO_RESULT),
    (too_many_respins, Fault.TOO_MANY_RESPINS),
    (device_fault, Fault.DEVICE_FAULT),
    (device_silent, Fault.DEVICE_FAULT),
    (device_hardware, Fault.DEVICE_FAULT),
    (wheel_sequence, Fault.DEVICE_FAULT),
    (number_doubtful, Fault.DEVICE_FAULT),
    (presenter_call, Fault.PRESENTER_CALL),
    (operator, Fault.OPERATOR),
)


@pytest.mark.feature("F24", "F36", "F48")
@pytest.mark.parametrize(("see", "fault"), OBSERVED, ids=lambda one: getattr(one, "__name__", ""))
def test_what_the_studio_shows_leads_to_its_procedure_and_every_stake_returns(see, fault):
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.wheel_state(3) if see in {sources_disagree, source_missing, result_changed} else None
    Round.objects.update(closes_at=database_now())
    pit.step()
    see(pit)
    with suppress(AssertionError):  # a silent device is heard by the step itself
        pit.step()
    incident = newest()
    assert (incident.fault, incident.procedure) == (fault, see.__name__)
    boss = person()
    procedure = procedures.named(incident.procedure)
    assert {Resolution.VOID, Resolution.RESUME} <= procedure.acts
    tick_all(incident, boss, Before.DECIDE)
    reason = procedure.void_reasons[0]
    incidents.void(acting(incident, boss), reason)
    round_ = pit.round()
    assert (round_.phase, round_.void_reason) == (Phase.VOIDED, reason)
    assert house.balance(anna) == 1_000
    assert house.escrow_minor(round_.id) == 0
    _well_again(pit)
    _resume(incident, boss)
    assert Table.objects.get().status == TableStatus.OPEN
    assert run_checks().ok


def _well_again(pit):
    house.pace(device_silence_ms=600_000)
    pit.report("wheel", ObservationKind.DEVICE_OK)
    pit.wheel_state(2)
    pit.heartbeat()


def _resume(incident, boss):
    tick_all(incident, boss)
    incidents.resume(acting(incident, boss), "found and mended")
    incident.refresh_from_db()
    if incident.resolved_at is None:
        assert incident.needs_second_person
        incidents.confirm_resume(acting(incident, person()))
        incident.refresh_from_db()
    assert incident.resolution == "found and mended"


@pytest.mark.feature("F39", "F48")
def test_a_number_while_bets_are_open_is_refunded_and_reported_to_the_regulator():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.report("wheel", ObservationKind.RESULT, number=17, spin=1)
    pit.step()
    incident = newest()
    assert (incident.fault, incident.phase_before) == ("result_before_close", "betting_open")
    assert incident.report_due_at == incident.opened_at + timedelta(hours=24)
    boss, other = person(), person()
    tick_all(incident, boss)
    # nobody may declare a number that somebody may have bet on
    with refused(IncidentCode.NOT_IN_PROCEDURE):
        manual_result.enter(acting(incident, boss), 17)
    with refused(IncidentCode.NOT_IN_PROCEDURE):
        incidents.respin(acting(incident, boss), "again")
    incidents.void(acting(incident, boss), "number_known_early")
    incidents.report(acting(incident, boss), "MGA-2026-117")
    incident.refresh_from_db()
    assert (incident.reported_at is not None, incident.report_ref) == (True, "MGA-2026-117")
    with refused(IncidentCode.REPORTED):
        incidents.report(acting(incident, other), "MGA-2026-118")
    assert house.balance(anna) == 1_000


def test_a_bug_of_ours_stops_the_table_under_its_own_procedure():
    pit = house.pit()
    pit.open_round()
    suspension.suspend(
        "alexandria", Fault.INTERNAL_ERROR, detail="ValueError: x", actor=house.TESTER
    )
    incident = newest()
    assert (incident.procedure, incident.needs_second_person) == ("internal_error", True)
    assert incident.report_due_at is not None


# The view


def test_the_page_of_an_incident_says_what_was_seen_by_whom_and_what_may_be_done():
    _, incident, anna, ben = stopped()
    boss = person()
    incidents.take(acting(incident, boss))
    incidents.tick(acting(incident, boss), "ball_lies")
    incidents.note(acting(incident, boss), "the ball lies on 17")
    seen = incident_view.view(incident.id, viewer=boss)
    assert seen.procedure.title == "Two sources name different numbers"
    assert [(line.source, line.number) for line in seen.seen if line.number is not None] == [
        ("Wheel", 17),
        ("Presenter", 20),
    ]
    assert all(line.captured_at <= line.received_at for line in seen.seen)
    assert [(step.id, bool(step.ticked_by)) for step in seen.steps][:2] == [
        ("ball_lies", True),
        ("recording", False),
    ]
    assert [(one.currency, one.players, one.bets, one.stake_minor) for one in seen.stakes] == [
        ("EUR", 2, 2, 600)
    ]
    assert [(one.position, one.stake_minor) for one in seen.positions] == [
        ("red", 500),
        ("straight:17", 100),
    ]
    assert [(line.act, line.data) for line in seen.acts] == [
        (Act.TAKE, {}),
        (Act.TICK, {"step": "ball_lies"}),
        (Act.NOTE, {"text": "the ball lies on 17"}),
    ]
    assert seen.incident.version == 4
    assert seen.offer(Act.VOID).why is IncidentCode.STEPS_OPEN
    assert seen.offer(Act.RESPIN).why is IncidentCode.NOT_IN_PROCEDURE
    assert seen.offer(Act.RESUME).why is IncidentCode.ROUND_UNRESOLVED
    assert seen.offer(Act.NOTE).allowed
    assert seen.offer(Act.TAKE).why is IncidentCode.ALREADY_YOURS
    assert seen.players_told.startswith("The sources of the result do not agree.")
    assert {anna, ben}.isdisjoint(vars(type(seen)))  # and names no player
    assert f"player:{anna}" not in repr(seen)


# Rights, versions, keys


@pytest.mark.parametrize(
    "role", [Role.PRESENTER, Role.SUPPORT, Role.COMPLIANCE, Role.FINANCE, Role.AUDITOR]
)
def test_only_the_pit_works_incidents(role):
    _, incident, *_ = stopped()
    somebody = person(role)
    for act in (
        lambda: incidents.take(acting(incident, somebody)),
        lambda: incidents.tick(acting(incident, somebody), "ball_lies"),
        lambda: incidents.void(acting(incident, somebody), "doubtful_number"),
        lambda: incidents.resume(acting(incident, somebody), "well"),
        lambda: manual_result.enter(acting(incident, somebody), 17),
    ):
        with refused(IncidentCode.NOT_ALLOWED):
            act()


def test_an_act_by_nobody_of_the_house_is_refused():
    _, incident, anna, _ = stopped()
    for actor in (Actor.system("cron"), Actor.player(anna), Actor.staff(999_999)):
        with refused(IncidentCode.NOT_ALLOWED):
            incidents.void(acting(incident, actor), "doubtful_number")


def test_a_stale_page_is_refused_and_nothing_is_done():
    pit, incident, anna, _ = stopped()
    boss, other = person(), person()
    tick_all(incident, boss, Before.DECIDE)
    stale = acting(incident, other)
    incidents.note(acting(incident, boss), "the ball lies on 17")
    for act in (
        lambda: incidents.void(stale, "doubtful_number"),
        lambda: manual_result.enter(stale, 17),
        lambda: incidents.note(stale, "another"),
    ):
        with refused(IncidentCode.STALE):
            act()
    assert pit.round().phase == Phase.SUSPENDED
    assert house.balance(anna) == 900
    assert not ManualEntry.objects.exists()


def test_a_repeated_key_is_answered_the_same_and_acts_once():
    _, incident, anna, _ = stopped()
    boss = person()
    tick_all(incident, boss, Before.DECIDE)
    once = acting(incident, boss)
    first = incidents.void(once, "doubtful_number")
    again = incidents.void(once, "doubtful_number")
    assert (again.version, again.replayed, first.replayed) == (first.version, True, False)
    assert IncidentAct.objects.filter(act="void").count() == 1
    assert house.balance(anna) == 1_000
    assert BetOutcome.objects.filter(kind="refunded").count() == 2
    with refused(IncidentCode.KEY_CONFLICT):
        incidents.note(once, "other input under the same key")
    with refused(IncidentCode.BAD_KEY):
        incidents.note(acting(incident, boss, key="x"), "no key")


def test_a_step_is_ticked_once_and_only_if_the_procedure_has_it():
    _, incident, *_ = stopped()
    boss = person()
    incidents.tick(acting(incident, boss), "ball_lies")
    with refused(IncidentCode.STEP_DONE):
        incidents.tick(acting(incident, boss), "ball_lies")
    with refused(IncidentCode.UNKNOWN_STEP):
        incidents.tick(acting(incident, boss), "make_tea")
    with refused(IncidentCode.NO_TEXT):
        incidents.note(acting(incident, boss), "   ")
    with refused(IncidentCode.TOO_LONG):
        incidents.note(acting(incident, boss), "x" * 1_001)


def test_an_unknown_incident_is_refused():
    boss, ghost = person(), Incident(id=new_id(), version=1)
    with refused(IncidentCode.UNKNOWN_INCIDENT):
        incidents.note(acting(ghost, boss, seen=1), "there is none")


# Void


@pytest.mark.feature("F36")
def test_a_void_needs_a_reason_of_the_procedure_and_its_steps():
    pit, incident, anna, _ = stopped()
    boss = person()
    with refused(IncidentCode.STEPS_OPEN):
        incidents.void(acting(incident, boss), "doubtful_number")
    tick_all(incident, boss, Before.DECIDE)
    for reason in ("", "drill", "number_known_early"):
        with refused(IncidentCode.UNKNOWN_REASON):
            incidents.void(acting(incident, boss), reason)
    assert house.balance(anna) == 900
    incidents.void(acting(incident, boss), "doubtful_number", "nobody saw it")
    assert pit.round().void_reason == "doubtful_number"


@pytest.mark.feature("F36", "F53")
def test_a_void_whose_process_died_is_finished_by_the_sweep_and_cannot_be_turned(monkeypatch):
    pit, incident, anna, ben = stopped()
    boss, other = person(), person()
    tick_all(incident, boss, Before.DECIDE)
    monkeypatch.setattr(incidents, "_refund", lambda round_id: False)  # killed after the decision
    incidents.void(acting(incident, boss), "doubtful_number")
    monkeypatch.undo()
    assert pit.round().phase == Phase.SUSPENDED
    for act in (
        lambda: manual_result.enter(acting(incident, other), 17),
        lambda: suspension.respin_round(pit.round().id, reason="no", actor=other),
    ):
        with pytest.raises(Refused, match="refunds_begun"):
            act()
    assert incidents.finish_voids() == Swept(ended=1)
    assert incidents.finish_voids() == Swept()
    assert pit.round().phase == Phase.VOIDED
    assert (house.balance(anna), house.balance(ben)) == (1_000, 1_000)
    assert run_checks().ok


# Respin


def test_a_respin_keeps_the_bets_and_needs_devices_that_are_well():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:5", 100))
    pit.close_betting()
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="spin_jump")
    pit.step()
    incident, boss = newest(), person()
    tick_all(incident, boss, Before.DECIDE)
    with refused(IncidentCode.DEVICES_NOT_WELL):
        incidents.respin(acting(incident, boss), "line is back")
    _well_again(pit)
    with refused(IncidentCode.NO_CAUSE):
        incidents.respin(acting(incident, boss), " ")
    incidents.respin(acting(incident, boss), "line is back")
    assert (pit.round().phase, pit.round().respins) == (Phase.NO_SPIN, 1)
    pit.wheel_state(3)
    pit.result(5)
    pit.confirm(5)
    pit.step()
    assert (pit.round().phase, pit.round().result) == (Phase.SETTLED, 5)
    assert house.balance(anna) == 900 + 3_600
    _resume(incident, boss)


# Resume


def test_a_resume_needs_a_cause_its_steps_well_devices_and_a_second_person():
    pit, incident, *_ = stopped()
    boss, other = person(), person()
    tick_all(incident, boss, Before.DECIDE)
    with refused(IncidentCode.ROUND_UNRESOLVED):
        incidents.resume(acting(incident, boss), "sensor cleaned")
    incidents.void(acting(incident, boss), "doubtful_number")
    with refused(IncidentCode.STEPS_OPEN):
        incidents.resume(acting(incident, boss), "sensor cleaned")
    tick_all(incident, boss)
    with refused(IncidentCode.NO_CAUSE):
        incidents.resume(acting(incident, boss), "  ")
    pit.wheel_state(3)
    with refused(IncidentCode.DEVICES_NOT_WELL):
        incidents.resume(acting(incident, boss), "sensor cleaned")
    pit.wheel_state(2)
    with refused(IncidentCode.NOT_PROPOSED):
        incidents.confirm_resume(acting(incident, other))
    incidents.resume(acting(incident, boss), "sensor cleaned")
    assert Table.objects.get().status == TableStatus.SUSPENDED
    with refused(IncidentCode.SAME_PERSON):
        incidents.confirm_resume(acting(incident, boss))
    with refused(IncidentCode.PROPOSED):
        incidents.resume(acting(incident, other), "sensor cleaned")
    incidents.confirm_resume(acting(incident, other))
    incident.refresh_from_db()
    assert (incident.proposed_by, incident.resolved_by) == (str(boss), str(other))
    assert (incident.resolution, Table.objects.get().status) == ("sensor cleaned", "open")
    with refused(IncidentCode.RESOLVED):
        incidents.resume(acting(incident, boss), "again")
    incidents.note(acting(incident, boss), "notes may come later")
    pit.step()
    assert pit.round().number == 2


def test_a_proposal_may_be_declined_and_made_again():
    _, incident, *_ = stopped()
    boss, other = person(), person()
    tick_all(incident, boss)
    incidents.void(acting(incident, boss), "doubtful_number")
    incidents.resume(acting(incident, boss), "sensor cleaned")
    incidents.decline_resume(acting(incident, other), "spin it once more first")
    incident.refresh_from_db()
    assert (incident.proposed_by, incident.cause, incident.resolved_at) == ("", "", None)
    incidents.resume(acting(incident, other), "spun three times")
    incidents.confirm_resume(acting(incident, boss))
    assert Table.objects.get().status == TableStatus.OPEN


def test_the_database_itself_wants_two_people_for_such_a_resume():
    _, incident, *_ = stopped()
    with pytest.raises(IntegrityError, match="incident_two_people_resume"):
        Incident.objects.filter(id=incident.id).update(
            resolved_at=database_now(), resolved_by="staff:1", proposed_by="staff:1"
        )
    with pytest.raises(IntegrityError, match="incident_two_people_resume"):
        Incident.objects.filter(id=incident.id).update(
            resolved_at=database_now(), resolved_by="staff:1"
        )


def test_acts_are_never_changed_whoever_asks():
    _, incident, *_ = stopped()
    incidents.take(acting(incident, person()))
    for words in ("UPDATE tables_incidentact SET act = 'note'", "DELETE FROM tables_incidentact"):
        with (
            pytest.raises(DatabaseError, match=r"denied|append_only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(words)
    assert IncidentAct.objects.get().act == "take"


@pytest.mark.feature("F44")
def test_each_act_is_audited_with_before_and_after():
    _, incident, *_ = stopped()
    boss = person()
    incidents.take(acting(incident, boss))
    incidents.tick(acting(incident, boss), "ball_lies")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, actor_id, before->>'version', after->>'version', after->>'step'"
            " FROM audit_event WHERE subject_kind = 'incident' ORDER BY id"
        )
        rows = cursor.fetchall()
    assert rows == [
        ("incident.taken", boss.id, "1", "2", None),
        ("incident.step_done", boss.id, "2", "3", "ball_lies"),
    ]

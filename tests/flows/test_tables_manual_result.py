"""A number entered by hand: two people, neither the presenter, and only when they agree."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from accounts.roles import Role
from audit.database_clock import database_now
from events import stream
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger.checks import run_checks
from tables.incidents import incidents, manual_result
from tables.incidents import view as incident_view
from tables.incidents.procedures import Before
from tables.incidents.records import IncidentAct, ManualEntry
from tables.incidents.rules import Act, IncidentCode
from tables.models import Round
from tables.phases import Phase
from tables.play import suspension
from tables.play.evidence import Fault
from tests import house
from tests.flows.incident_steps import acting, bet, newest, person, refused, tick_all
from tests.flows.staff_steps import also

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def stop():
    """Sources disagree with bets on 17 and on red; two people who may decide."""
    pit = house.pit()
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    bet(ben, ("red", 500))
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    incident, boss, other = newest(), person(), person()
    tick_all(incident, boss, Before.DECIDE)
    return pit, incident, boss, other, anna, ben


@pytest.mark.feature("F33", "F34")
def test_two_who_agree_make_the_round_official_marked_and_settled_by_the_ordinary_runner(stop):
    pit, incident, boss, other, anna, ben = stop
    first = manual_result.enter(acting(incident, boss), 17)
    assert (first.official, pit.round().phase) == (False, Phase.SUSPENDED)
    assert house.balance(anna) == 900
    second = manual_result.enter(acting(incident, other), 17)
    assert second.official
    assert (pit.round().phase, pit.round().result) == (Phase.OFFICIAL, 17)
    pit.step()
    round_ = pit.round()
    assert (round_.phase, round_.result_sources) == (Phase.SETTLED, ["manual"])
    assert (house.balance(anna), house.balance(ben)) == (900 + 3_600, 500)
    assert house.escrow_minor(round_.id) == 0
    told = [event for event in stream.read("t:alexandria", 0, 100) if event.kind == "phase"]
    assert [event.data.get("sources") for event in told][-2:] == [["manual"], ["manual"]]
    assert run_checks().ok


@pytest.mark.feature("F34")
def test_the_second_is_somebody_else_and_neither_presents_the_round(stop):
    pit, incident, boss, *_ = stop
    manual_result.enter(acting(incident, boss), 17)
    with refused(IncidentCode.SAME_PERSON):
        manual_result.enter(acting(incident, boss), 17)
    dealer = Actor.staff(pit.presenter)
    with refused(IncidentCode.NOT_ALLOWED):  # a presenter has not even the right
        manual_result.enter(acting(incident, dealer), 17)
    also(pit.presenter, Role.PIT_BOSS)
    with refused(IncidentCode.IS_PRESENTER):
        manual_result.enter(acting(incident, dealer), 17)
    assert incident_view.view(incident.id, viewer=dealer).offer(Act.MANUAL_RESULT).why is (
        IncidentCode.IS_PRESENTER
    )
    assert (pit.round().phase, pit.round().result) == (Phase.SUSPENDED, None)
    assert ManualEntry.objects.count() == 1


@pytest.mark.feature("F34")
def test_numbers_that_differ_pay_nothing_and_both_enter_again(stop):
    pit, incident, boss, other, anna, _ = stop
    manual_result.enter(acting(incident, boss), 17)
    differs = acting(incident, other)
    for _ in range(2):  # a repeat is answered as it was the first time
        with pytest.raises(Refused) as caught:
            manual_result.enter(differs, 20)
        assert caught.value.code == IncidentCode.ENTRIES_DISAGREE
    assert (pit.round().phase, pit.round().result) == (Phase.SUSPENDED, None)
    assert house.balance(anna) == 900
    rows = ManualEntry.objects.values_list("attempt", "place", "number", "actor")
    assert list(rows) == [(1, 1, 17, str(boss)), (1, 2, 20, str(other))]
    manual_result.enter(acting(incident, other), 17)
    assert manual_result.enter(acting(incident, boss), 17).official
    pit.step()
    assert (pit.round().phase, house.balance(anna)) == (Phase.SETTLED, 4_500)
    assert [act.code for act in IncidentAct.objects.filter(act="manual_result")] == [
        "",
        "entries_disagree",
        "",
        "",
    ]


def test_nobody_reads_the_first_number_before_the_second_is_in(stop):
    from django.db import connection

    _, incident, boss, other, *_ = stop
    manual_result.enter(acting(incident, boss), 17)
    seen = incident_view.view(incident.id, viewer=other)
    assert seen.waits_for_second != ""
    assert [(entry.place, entry.number) for entry in seen.entries] == [(1, None)]
    assert [line.data for line in seen.acts if line.act is Act.MANUAL_RESULT] == [
        {"attempt": 1, "place": 1}
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT after FROM audit_event WHERE kind = 'incident.number_entered' ORDER BY id"
        )
        (after,) = cursor.fetchone()
    assert "17" not in str(after).replace(str(incident.id), "")
    manual_result.enter(acting(incident, other), 17)
    seen = incident_view.view(incident.id, viewer=other)
    assert [entry.number for entry in seen.entries] == [17, 17]


@pytest.mark.parametrize("number", [-1, 37, 1.0, "17", None, True])
def test_what_is_not_on_the_wheel_is_refused(stop, number):
    _, incident, boss, *_ = stop
    with refused(IncidentCode.NOT_ON_WHEEL):
        manual_result.enter(acting(incident, boss), number)


def test_no_number_by_hand_for_a_round_that_was_stopped_while_bets_were_taken():
    pit = house.pit()
    pit.open_round()
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    incident, boss = newest(), person()
    tick_all(incident, boss)
    with refused(IncidentCode.BETTING_WAS_OPEN):
        manual_result.enter(acting(incident, boss), 17)
    assert pit.round().phase == Phase.SUSPENDED


def test_a_first_number_of_an_earlier_stop_does_not_count_for_a_later_spin():
    pit = house.pit(source_wait_ms=0)
    pit.open_round()
    pit.close_betting()
    pit.wheel_state(4)
    Round.objects.update(closes_at=Round.objects.get().opened_at)
    from studio.protocol.messages import ObservationKind

    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="spin_jump")
    pit.step()
    first, boss, other = newest(), person(), person()
    tick_all(first, boss, Before.DECIDE)
    manual_result.enter(acting(first, boss), 17)
    pit.report("wheel", ObservationKind.DEVICE_OK)
    pit.wheel_state(2)
    incidents.respin(acting(first, boss), "spun again")
    pit.wheel_state(3)
    pit.result(20)
    pit.step()
    again = newest()
    assert (again.fault, again.id == first.id) == ("source_missing", False)
    tick_all(again, boss, Before.DECIDE)
    assert not manual_result.enter(acting(again, other), 17).official
    assert manual_result.enter(acting(again, boss), 17).official
    assert list(ManualEntry.objects.values_list("attempt", "place")) == [(1, 1), (2, 1), (2, 2)]


@pytest.mark.feature("F34")
def test_the_database_lets_no_stopped_round_become_official_on_one_persons_word(stop):
    pit, incident, boss, *_ = stop
    manual_result.enter(acting(incident, boss), 17)
    for number in (17, 20):
        with pytest.raises(DatabaseError, match="manual_result"), transaction.atomic():
            Round.objects.filter(id=pit.round().id).update(
                phase="official", result=number, official_at=database_now()
            )
    entry = ManualEntry.objects.get()
    entry.pk, entry.place = incident.id, 2
    with pytest.raises(DatabaseError, match="manual_entry_two_people"), transaction.atomic():
        entry.save(force_insert=True)
    assert pit.round().phase == Phase.SUSPENDED


def test_the_database_counts_no_number_from_before_a_respin():
    pit, first, boss, other = _respun_after_one_number()
    _claim(first, other, place=2, attempt=1)
    with pytest.raises(DatabaseError, match="manual_result"), transaction.atomic():
        _official(pit, 17)
    assert pit.round().phase == Phase.SUSPENDED
    _claim(newest(), boss, place=1, attempt=2)
    _claim(newest(), other, place=2, attempt=2)
    _official(pit, 17)
    assert (pit.round().phase, pit.round().result) == (Phase.OFFICIAL, 17)


def _respun_after_one_number():
    """Somebody entered 17, then it was spun again, and a person stopped that spin as well."""
    pit = house.pit(spin_deadline_ms=0)
    pit.open_round()
    pit.close_betting()
    pit.step()
    first, boss, other = newest(), person(), person()
    tick_all(first, boss)
    manual_result.enter(acting(first, boss), 17)
    pit.wheel_state(2)
    incidents.respin(acting(first, boss), "spun again")
    suspension.suspend("alexandria", Fault.OPERATOR, detail="a glass fell", actor=boss)
    return pit, first, boss, other


def _claim(incident, actor, *, place, attempt):
    """A number as raw rows, dated by its writer: the first attempt's before the respin."""
    round_ = incident.round
    at = database_now()
    if attempt == 1:
        at = round_.evidence_since - timedelta(seconds=1)
    ManualEntry.objects.create(
        id=new_id(), incident=incident, round=round_, attempt=attempt, place=place, number=17,
        actor=str(actor), at=at,
    )  # fmt: skip


def _official(pit, number):
    Round.objects.filter(id=pit.round().id).update(
        phase="official", result=number, official_at=database_now()
    )

"""Cases: opened once, moved along the table by what was seen, told, kept five years."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import Error as DatabaseError
from django.db import connection, transaction

from accounts.models import SET_UP, put_in_office
from accounts.roles import Role
from audit.database_clock import database_now
from compliance import case_keeping, cases
from compliance.case_states import CaseKind, CaseState, Outcome
from compliance.cases import Audience, CaseCode, Matter, Officer
from compliance.models import Case, CaseEvent
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from notices.models import Notice
from tests import house
from tests.flows.accounts_steps import audit_kinds
from tests.flows.case_steps import as_player, complaint, officer, step
from tests.flows.staff_steps import make_staff

pytestmark = [pytest.mark.feature("F115"), pytest.mark.usefixtures("database")]


def refused(act, *args, **kwargs) -> str:
    with pytest.raises(Refused) as caught:
        act(*args, **kwargs)
    return str(caught.value.code)


def news(person_id: int) -> list[str]:
    return list(Notice.objects.filter(person_id=person_id).values_list("kind", flat=True))


def test_a_complaint_has_a_reference_due_times_of_the_policy_and_is_told():
    anna = house.player()
    case = complaint(anna)
    assert case.state == CaseState.OPENED
    assert case.acknowledge_by - case.opened_at < timedelta(hours=24)
    assert timedelta(hours=23, minutes=59) < case.acknowledge_by - case.opened_at
    assert (case.answer_by - case.opened_at).days in {9, 10}
    assert case.due_at == case.acknowledge_by
    assert case.policy.startswith("DEMO/")
    assert news(anna) == ["case_news"]
    assert audit_kinds("case.") == ["case.opened"]


def test_the_same_form_twice_opens_one_case_and_another_text_under_its_key_is_refused():
    anna, key = house.player(), new_id().hex
    matter = Matter(CaseKind.COMPLAINT, anna, "Late", "Where is it?")
    first = cases.open_case(matter, key=key, who=as_player(anna))
    again = cases.open_case(matter, key=key, who=as_player(anna))
    assert again.id == first.id
    other = Matter(CaseKind.COMPLAINT, anna, "Late", "Something else")
    assert refused(cases.open_case, other, key=key, who=as_player(anna)) == CaseCode.KEY_REUSED
    assert Case.objects.count() == 1
    assert len(news(anna)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": "  "}, CaseCode.EMPTY_TEXT),
        ({"subject": ""}, CaseCode.EMPTY_TEXT),
        ({"text": "x" * 4_001}, CaseCode.TEXT_TOO_LONG),
        ({"kind": CaseKind.DISPUTE}, CaseCode.NO_ROUND),
        ({"kind": CaseKind.SUSPICION}, CaseCode.KIND_REFUSED),
    ],
)
def test_what_a_player_cannot_open_leaves_nothing(changes, code):
    anna = house.player()
    assert refused(complaint, anna, **changes) == code
    assert Case.objects.count() == 0
    assert news(anna) == []


def test_a_player_opens_nothing_in_another_ones_name():
    anna, ben = house.player(), house.player()
    assert refused(complaint, ben, as_player(anna)) == CaseCode.KIND_REFUSED


def test_a_flood_of_cases_ends_at_ten_open_ones():
    anna = house.player()
    for number in range(10):
        complaint(anna, subject=f"Matter {number}")
    assert refused(complaint, anna) == CaseCode.TOO_MANY_CASES
    assert Case.objects.count() == 10


def test_a_case_goes_from_opened_to_closed_and_the_player_reads_each_step():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    cases.acknowledge(step(case), sofia)
    cases.ask_player(step(case), "Which bank is it?", sofia)
    cases.write_as_player(anna, case.reference, "Bank of Valletta", key="a1")
    cases.note(step(case), "The bank has it.", sofia, confidential=False)
    cases.answer(step(case), "It was sent on Monday.", Outcome.REJECTED, sofia)
    cases.write_as_player(anna, case.reference, "It has not come.", key="a2")
    cases.answer(step(case), "Your bank has it since Tuesday.", Outcome.PARTLY_UPHELD, sofia)
    cases.final_letter(step(case), "We stay with it.", sofia)
    cases.close(step(case), "Settled by letter", sofia)
    seen = [event.kind for event in cases.events(case, as_player(anna))]
    assert seen == [
        *("opened", "acknowledged", "waiting", "player_wrote", "answered", "contested"),
        *("answered", "final", "closed"),
    ]
    fresh = Case.objects.get(pk=case.pk)
    assert (fresh.state, fresh.outcome, fresh.due_at) == ("closed", "partly_upheld", None)
    assert fresh.closed_at is not None
    assert fresh.acknowledged_at is not None


def test_a_stale_page_is_refused_and_changes_nothing():
    anna, sofia, omar = house.player(), officer(Role.SUPPORT), officer(Role.SUPPORT)
    case = complaint(anna)
    seen_by_both = case.version
    cases.acknowledge(step(case, seen=seen_by_both), sofia)
    stale = step(case, seen=seen_by_both)
    assert refused(cases.answer, stale, "No.", Outcome.REJECTED, omar) == CaseCode.CASE_STALE
    assert refused(cases.assign, stale, 1, omar) == CaseCode.CASE_STALE
    assert [event.kind for event in cases.events(case, sofia)] == ["opened", "acknowledged"]
    assert Case.objects.get(pk=case.pk).state == CaseState.ACKNOWLEDGED


def test_a_repeated_form_writes_once_and_is_answered_as_before():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    cases.acknowledge(step(case), sofia)
    same = step(case)
    for _ in range(3):
        cases.answer(same, "Sent on Monday.", Outcome.UPHELD, sofia)
    assert [event.kind for event in cases.events(case, sofia)].count("answered") == 1
    assert news(anna).count("case_news") == 3


def test_a_step_that_the_table_does_not_know_is_refused():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    assert refused(cases.final_letter, step(case), "No.", sofia) == CaseCode.CASE_STEP
    cases.close(step(case), "Withdrawn by the player", sofia)
    assert refused(cases.acknowledge, step(case), sofia) == CaseCode.CASE_STEP
    wrote = refused(cases.write_as_player, anna, case.reference, "Hello?", key="k")
    assert wrote == CaseCode.CASE_CLOSED


def test_nobody_writes_into_another_players_case():
    anna, ben = house.player(), house.player()
    case = complaint(anna)
    wrote = refused(cases.write_as_player, ben, case.reference, "Let me in", key="k")
    assert wrote == CaseCode.NO_SUCH_CASE


def test_a_hidden_case_is_not_there_for_the_desk_nor_for_its_player():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    hidden = complaint(anna, cora, kind=CaseKind.SUSPICION, subject="Structuring")
    assert news(anna) == []
    assert list(cases.visible(sofia)) == []
    assert list(cases.of_player(anna)) == []
    unknown = refused(cases.find, sofia, "ABC-DEFG")
    assert refused(cases.find, sofia, hidden.reference) == unknown == CaseCode.NO_SUCH_CASE
    for act in (cases.acknowledge, lambda s, w: cases.close(s, "why", w)):
        assert refused(act, step(hidden), sofia) == CaseCode.NO_SUCH_CASE
    assert refused(complaint, anna, sofia, kind=CaseKind.SUSPICION) == CaseCode.KIND_REFUSED
    wrote = refused(cases.write_as_player, anna, hidden.reference, "?", key="k")
    assert wrote == CaseCode.NO_SUCH_CASE
    assert [case.reference for case in cases.visible(cora)] == [hidden.reference]


def test_a_confidential_note_is_read_by_its_writer_and_by_compliance_alone():
    anna, sofia, omar = house.player(), officer(Role.SUPPORT), officer(Role.SUPPORT)
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    case = complaint(anna)
    cases.note(step(case), "He sounded drunk.", sofia, confidential=True)

    def read_by(who) -> int:
        return sum(event.audience == Audience.CONFIDENTIAL for event in cases.events(case, who))

    assert [read_by(who) for who in (sofia, omar, cora, as_player(anna))] == [1, 0, 1, 0]


def test_a_token_reads_no_confidential_note_not_even_its_owner_s():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    cases.note(step(case), "He sounded drunk.", sofia, confidential=True)
    cases.note(step(case), "The bank has it.", sofia, confidential=False)
    by_token = Officer(sofia.actor, is_token=True)
    seen = [event.audience for event in cases.events(case, by_token)]
    assert Audience.DESK in seen
    assert Audience.CONFIDENTIAL not in seen


def age(owner: psycopg.Connection, case: Case, **columns: str) -> None:
    """As if it had happened long ago: only the owner, with the guard off, can write that."""
    owner.execute("ALTER TABLE compliance_case DISABLE TRIGGER compliance_case_change")
    for column, value in columns.items():
        change = f"UPDATE compliance_case SET {column} = {value} WHERE id = %s"  # noqa: S608  (ours)
        owner.execute(change, [case.id])
    owner.execute("ALTER TABLE compliance_case ENABLE TRIGGER compliance_case_change")


def test_an_overdue_case_is_an_alarm_once_to_support_and_compliance(owner, caplog):
    anna = house.player()
    sofia, cora = make_staff(Role.SUPPORT, key=None), make_staff(Role.COMPLIANCE, key=None)
    finn = make_staff(Role.FINANCE, key=None)
    case = complaint(anna)
    assert case_keeping.alarm_overdue() == 0
    age(owner, case, due_at="clock_timestamp() - interval '1 minute'")
    assert case_keeping.alarm_overdue() == 1
    assert case_keeping.alarm_overdue() == 0
    assert [news(staff.pk) for staff in (sofia, cora, finn)] == [
        ["case_overdue"],
        ["case_overdue"],
        [],
    ]
    assert f"case overdue: {case.reference} in state opened" in caplog.text
    assert audit_kinds("case.") == ["case.opened", "case.overdue"]
    assert [event.kind for event in cases.events(case, as_player(anna))] == ["opened"]


def test_an_overdue_hidden_case_is_told_to_compliance_alone(owner):
    anna, sofia = house.player(), make_staff(Role.SUPPORT, key=None)
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    hidden = complaint(anna, cora, kind=CaseKind.SUSPICION)
    age(owner, hidden, due_at="clock_timestamp() - interval '1 minute'")
    assert case_keeping.alarm_overdue() == 1
    assert news(sofia.pk) == []
    assert news(int(cora.actor.id)) == ["case_overdue"]


def test_what_was_written_never_changes():
    case = complaint(house.player())
    for statement in (
        "UPDATE compliance_case_event SET text = 'other'",
        "DELETE FROM compliance_case_event",
        "DELETE FROM compliance_case",
        "UPDATE compliance_case SET subject = 'other'",
        "UPDATE compliance_case SET closed_at = '2001-01-01'",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement)
    assert Case.objects.get(pk=case.pk).subject == "My withdrawal is late"


def test_the_owner_cannot_forget_or_rewrite_a_case_either(owner):
    case = complaint(house.player())
    for statement in (
        "DELETE FROM compliance_case_event",
        "DELETE FROM compliance_case",
        "TRUNCATE compliance_case CASCADE",
        "UPDATE compliance_case SET player_id = player_id, subject = 'x', version = version + 1",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
    assert CaseEvent.objects.filter(case_id=case.pk).count() == 1


@pytest.mark.parametrize(("years", "days", "is_gone"), [(5, -1, False), (5, 1, True)])
def test_a_case_is_kept_five_years_after_closing_and_then_forgotten(owner, years, days, is_gone):
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case, open_one = complaint(anna), complaint(anna, subject="Still open")
    cases.close(step(case), "Withdrawn", sofia)
    assert case_keeping.purge() == 0
    age(
        owner,
        case,
        closed_at=f"clock_timestamp() - interval '{years} years' - interval '{days} days'",
    )
    if not is_gone:
        with pytest.raises(psycopg.errors.RestrictViolation, match="five years"):
            owner.execute("DELETE FROM compliance_case_event WHERE case_id = %s", [case.id])
    assert case_keeping.purge() == int(is_gone)
    assert Case.objects.filter(pk=case.pk).exists() is not is_gone
    assert CaseEvent.objects.filter(case_id=case.pk).exists() is not is_gone
    assert Case.objects.filter(pk=open_one.pk).exists()
    assert ("case.purged" in audit_kinds("case.")) is is_gone


def test_two_forms_of_one_key_at_once_open_one_case():
    anna, key = house.player(), new_id().hex
    matter = Matter(CaseKind.CHEAT_REPORT, anna, "Dealer", "The ball was touched.")
    first = cases.open_case(matter, key=key, who=as_player(anna))
    with pytest.raises(DatabaseError, match="unique"), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_case (id, reference, kind, player_id, subject, opened_by, key,"
            " fingerprint, policy, acknowledge_by, answer_by) SELECT gen_random_uuid(), 'AAA-2222',"
            " kind, player_id, subject, opened_by, key, fingerprint, policy, acknowledge_by,"
            " answer_by FROM compliance_case"
        )
    assert cases.open_case(matter, key=key, who=as_player(anna)).id == first.id


def test_what_the_player_wrote_meanwhile_is_answered_over_by_nobody():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    cases.acknowledge(step(case), sofia)
    seen = step(case)
    cases.write_as_player(anna, case.reference, "I have found the money.", key="k1")
    assert refused(cases.answer, seen, "No.", Outcome.REJECTED, sofia) == CaseCode.CASE_STALE
    assert refused(cases.close, seen, "Done", sofia) == CaseCode.CASE_STALE
    assert Case.objects.get(pk=case.pk).state == CaseState.ACKNOWLEDGED


@pytest.mark.parametrize("who", ["desk", "player"])
def test_the_same_form_at_the_same_moment_is_done_once(who):
    """The second one waits for the first and finds it done; without the lock it met the unique
    index and was an error."""
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    same = step(case, key="k" * 32)

    def act() -> None:
        try:
            if who == "desk":
                cases.note(same, "Seen.", sofia, confidential=False)
            else:
                cases.write_as_player(anna, case.reference, "Again.", key="k" * 32)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(act) for _ in range(4)]:
            done.result()
    assert CaseEvent.objects.filter(case_id=case.pk, key="k" * 32).count() == 1


def test_a_note_waits_for_a_close_and_is_then_refused():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    case = complaint(anna)
    noted = step(case)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cases.close(step(case), "Done", sofia)
            late = pool.submit(_refused_elsewhere, cases.note, noted, "x", sofia)
            with pytest.raises(TimeoutError):
                late.result(timeout=0.5)  # it waits
        assert late.result(timeout=30) == CaseCode.CASE_CLOSED
    assert [event.kind for event in cases.events(case, sofia)] == ["opened", "closed", "reason"]


def _refused_elsewhere(act, *args) -> str:
    try:
        return refused(act, *args, confidential=False)
    finally:
        connection.close()


def test_a_hidden_case_is_taken_noted_and_closed_and_nothing_in_it_is_the_players():
    anna, cora = house.player(), officer(Role.COMPLIANCE, sees_hidden=True)
    hidden = complaint(anna, cora, kind=CaseKind.SUSPICION)
    for act in (
        lambda: cases.acknowledge(step(hidden), cora),
        lambda: cases.answer(step(hidden), "x", Outcome.UPHELD, cora),
    ):
        assert refused(act) == CaseCode.CASE_STEP
    taken = cases.assign(step(hidden), int(cora.actor.id), cora)
    assert (taken.state, taken.due_at) == (CaseState.ACKNOWLEDGED, taken.answer_by)
    assert refused(cases.ask_player, step(hidden), "Why?", cora) == CaseCode.CASE_STEP
    cases.note(step(hidden), "Three accounts.", cora, confidential=True)
    cases.close(step(hidden), "Reported.", cora)
    audiences = {event.audience for event in cases.events(hidden, cora)}
    assert Audience.PLAYER not in audiences
    assert news(anna) == []


def test_two_hundred_late_cases_that_were_told_hide_no_newer_one(owner, monkeypatch):
    monkeypatch.setattr(case_keeping, "BATCH", 2)
    anna = house.player()
    for number in range(3):
        age(
            owner,
            complaint(anna, subject=f"Matter {number}"),
            due_at=f"clock_timestamp() - interval '{9 - number} minutes'",
        )
    assert [case_keeping.alarm_overdue() for _ in range(3)] == [2, 1, 0]


def test_who_was_compliance_until_yesterday_learns_of_no_hidden_case(owner):
    anna, cora = house.player(), officer(Role.COMPLIANCE, sees_hidden=True)
    hidden = complaint(anna, cora, kind=CaseKind.SUSPICION)
    former = make_staff(Role.SUPPORT, key=None)
    until = database_now() + timedelta(seconds=1)
    put_in_office(former, Role.COMPLIANCE, by=SET_UP, until=until)
    time.sleep(1)
    age(owner, hidden, due_at="clock_timestamp() - interval '1 minute'")
    assert case_keeping.alarm_overdue() == 1
    assert news(former.pk) == []
    assert news(int(cora.actor.id)) == ["case_overdue"]


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR])
def test_the_acts_themselves_ask_for_the_right(role):
    case, who = complaint(house.player()), officer(role)
    for act in (
        lambda: cases.acknowledge(step(case), who),
        lambda: cases.note(step(case), "x", who, confidential=False),
        lambda: cases.assign(step(case), int(who.actor.id), who),
        lambda: complaint(PlayerId(case.player_id), who),
    ):
        assert refused(act) == "not_allowed"
    sofia = officer(Role.SUPPORT, sees_hidden=True)  # whoever says so
    assert refused(cases.note, step(case), "x", sofia, confidential=False) == "not_allowed"
    assert CaseEvent.objects.filter(case_id=case.pk).count() == 1

"""Breaks are resolved by two people, by what covers them or under a code, up to one's limit."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg import errors

from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger import accounts
from notices.models import Notice
from payments.reconciliation import attempts, resolution, selectors, work
from payments.reconciliation.models import Break
from payments.reconciliation.policy import current_policy
from payments.reconciliation.resolution import Wanted
from payments.reconciliation.words import Method, ReconciliationCode
from tests.flows.break_steps import AS_OF, kept_break, kept_run, sha, staff
from tests.flows.ledger_steps import adjusted, adjustments, app_connection, approved
from tests.flows.staff_steps import make_staff

pytestmark = pytest.mark.feature("F68")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    return staff(), staff()


def write_off(break_id: str, code: str = "rounding", note: str = "Half a cent, twice.") -> Wanted:
    return Wanted(break_id, sha("facts"), Method.WRITE_OFF, note, code=code)


def by_entry(break_id: str, adjustment) -> Wanted:
    return Wanted(break_id, sha("facts"), Method.LEDGER_ENTRY, "Booked.", adjustment_id=adjustment)


def code_of(act) -> object:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


def state(break_id: str) -> str:
    return Break.objects.get(pk=break_id).state


def events(break_id: str) -> list[str]:
    return [one.kind for one in selectors.history(break_id)]


def test_what_one_proposes_another_approves_and_the_break_is_resolved(two):
    found = kept_break(kept_run())
    asked = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    assert (state(found), asked.amount_minor, asked.proposer_role) == ("open", 500, "finance")
    assert [one.pk for one in selectors.waiting_resolutions()] == [asked.pk]

    done = resolution.approve(asked.pk, actor=two[1], note="Seen.")
    resolution.approve(asked.pk, actor=two[1], note="Seen.")

    assert (done.decided.decision, done.decided.approver) == ("approved", str(two[1]))
    assert state(found) == "resolved"
    assert events(found) == ["proposed", "approved"]
    assert list(selectors.waiting_resolutions()) == []


def test_nobody_approves_their_own_and_the_table_itself_says_so(two, owner):
    found = kept_break(kept_run())
    asked = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    assert code_of(lambda: resolution.approve(asked.pk, actor=two[0])) == (
        ReconciliationCode.SAME_PERSON
    )
    with pytest.raises(errors.CheckViolation, match="two_people"):
        owner.execute(
            "INSERT INTO payments_reconciliation_decision (resolution_id, proposer, decision,"
            " approver, approver_role, note) VALUES (%s, %s, 'approved', %s, 'finance', '')",
            [asked.pk, str(two[0]), str(two[0])],
        )
    assert (state(found), events(found)) == ("open", ["proposed"])


def test_a_limit_of_ones_role_holds_and_an_administrator_may_more(two):
    found = kept_break(kept_run(), difference=-20_000)
    asked = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    assert code_of(lambda: resolution.approve(asked.pk, actor=two[1])) == (
        ReconciliationCode.OVER_LIMIT
    )
    assert state(found) == "open"
    resolution.approve(asked.pk, actor=staff(Role.ADMINISTRATOR))
    assert state(found) == "resolved"

    large = kept_break(kept_run("other"), difference=-100_001)
    assert code_of(lambda: resolution.propose(write_off(large), id=new_id(), actor=two[0])) == (
        ReconciliationCode.OVER_LIMIT
    )
    assert events(large) == []


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, Role.AUDITOR, Role.PIT_BOSS])
def test_other_roles_propose_and_decide_nothing(two, role):
    found, outsider = kept_break(kept_run()), staff(role)
    assert code_of(lambda: resolution.propose(write_off(found), id=new_id(), actor=outsider)) == (
        ReconciliationCode.NOT_ALLOWED
    )
    asked = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    assert code_of(lambda: resolution.approve(asked.pk, actor=outsider)) == (
        ReconciliationCode.NOT_ALLOWED
    )
    assert code_of(lambda: resolution.assign(found, assignee_id=1, actor=outsider)) == (
        ReconciliationCode.NOT_ALLOWED
    )
    assert (state(found), events(found)) == ("open", ["proposed"])


def test_an_adjustment_resolves_what_it_covers_and_nothing_else(two):
    run = kept_run()
    clearing = accounts.psp_clearing("simulated", "EUR")
    found, other = kept_break(run), kept_break(run, category="refund")
    # The ledger has 5.00 too much: money away from us is on the credit side.
    towards_us = adjusted(clearing, adjustments(), 500)
    short = adjusted(adjustments(), clearing, 499)
    elsewhere = adjusted(adjustments(), accounts.psp_clearing("stripe", "EUR"), 500)
    for adjustment in (towards_us, short, elsewhere):
        assert code_of(
            lambda adjustment=adjustment: resolution.propose(
                by_entry(found, adjustment), id=new_id(), actor=two[0]
            )
        ) == (ReconciliationCode.ADJUSTMENT_DOES_NOT_COVER)
    assert code_of(
        lambda: resolution.propose(by_entry(found, new_id()), id=new_id(), actor=two[0])
    ) == (ReconciliationCode.ADJUSTMENT_NOT_APPROVED)

    right = approved(adjustments(), clearing, 500).id
    asked = resolution.propose(by_entry(found, right), id=new_id(), actor=two[0])
    assert code_of(
        lambda: resolution.propose(by_entry(other, right), id=new_id(), actor=two[0])
    ) == (ReconciliationCode.ADJUSTMENT_USED)
    resolution.approve(asked.pk, actor=two[1])
    assert (state(found), state(other)) == ("resolved", "open")


@pytest.mark.parametrize(
    ("kind", "method", "code"),
    [
        ("timing", Method.WRITE_OFF, ReconciliationCode.NOT_DUE),
        ("fee", Method.LEDGER_ENTRY, ReconciliationCode.METHOD_NOT_FOR_KIND),
        ("batch_sum", Method.LEDGER_ENTRY, ReconciliationCode.METHOD_NOT_FOR_KIND),
    ],
)
def test_not_every_break_is_resolved_in_every_way(two, kind, method, code):
    found = kept_break(kept_run(), kind=kind)
    wanted = write_off(found) if method is Method.WRITE_OFF else by_entry(found, new_id())
    assert code_of(lambda: resolution.propose(wanted, id=new_id(), actor=two[0])) == code
    assert events(found) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"code": "because"}, ReconciliationCode.UNKNOWN_CODE),
        ({"note": "  "}, ReconciliationCode.NO_NOTE),
        ({"facts_sha256": sha("older")}, ReconciliationCode.FACTS_CHANGED),
        ({"break_id": sha("none")}, ReconciliationCode.UNKNOWN_BREAK),
    ],
)
def test_a_proposal_that_is_not_sound_is_refused(two, change, code):
    found = kept_break(kept_run())
    asked = {"break_id": found, "facts_sha256": sha("facts"), "method": Method.WRITE_OFF}
    wanted = Wanted(**(asked | {"note": "Why.", "code": "rounding"} | change))
    assert code_of(lambda: resolution.propose(wanted, id=new_id(), actor=two[0])) == code
    assert (state(found), events(found)) == ("open", [])


def test_one_proposal_waits_at_a_time_and_a_refused_one_makes_room(two):
    found = kept_break(kept_run())
    first = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    assert code_of(lambda: resolution.propose(write_off(found), id=new_id(), actor=two[1])) == (
        ReconciliationCode.ALREADY_PROPOSED
    )
    assert code_of(lambda: resolution.refuse(first.pk, actor=two[1], note="")) == (
        ReconciliationCode.NO_NOTE
    )
    resolution.refuse(first.pk, actor=two[1], note="Ask the provider first.")
    again = resolution.propose(write_off(found), id=new_id(), actor=two[1])
    assert code_of(lambda: resolution.withdraw(again.pk, actor=two[0])) == (
        ReconciliationCode.NOT_YOURS
    )
    resolution.withdraw(again.pk, actor=two[1])
    assert events(found) == ["proposed", "refused", "proposed", "withdrawn"]
    assert code_of(lambda: resolution.approve(again.pk, actor=two[0])) == (
        ReconciliationCode.ALREADY_DECIDED
    )
    assert state(found) == "open"


def test_the_applications_role_can_resolve_and_forget_nothing_by_itself(two, database):
    found = kept_break(kept_run())
    asked = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    attempts_made = {
        "UPDATE payments_reconciliation_break SET state = 'resolved'": "break_not_resolved",
        "UPDATE payments_reconciliation_break SET first_run_id = ''": "permission denied",
        "DELETE FROM payments_reconciliation_break": "permission denied",
        "DELETE FROM payments_reconciliation_break_event": "permission denied",
        "UPDATE payments_reconciliation_run SET as_of = now()": "permission denied",
        "UPDATE payments_write_off_limit SET approve_minor_max = 1": "permission denied",
        "INSERT INTO payments_reconciliation_decision SELECT id, proposer, 'approved',"
        " 'staff:9', 'finance', '' FROM payments_reconciliation_resolution": "permission denied",
    }
    with app_connection(database) as app:
        for statement, answer in attempts_made.items():
            with pytest.raises(psycopg.Error, match=answer):
                app.execute(statement)
    assert (state(found), resolution.find(asked.pk).pk) == ("open", asked.pk)


def test_a_resolved_break_opens_only_when_it_says_something_else(two, database):
    found = kept_break(kept_run())
    asked = resolution.propose(write_off(found), id=new_id(), actor=two[0])
    resolution.approve(asked.pk, actor=two[1])
    with (
        app_connection(database) as app,
        pytest.raises(psycopg.Error, match="break_stays_resolved"),
    ):
        app.execute("UPDATE payments_reconciliation_break SET state = 'open'")
    with app_connection(database) as app:
        app.execute(
            "UPDATE payments_reconciliation_break SET state = 'open', facts_sha256 = %s",
            [sha("changed")],
        )
    assert state(found) == "open"


def test_assigning_and_noting_leave_a_trace(two):
    found, theirs = kept_break(kept_run()), int(two[1].id)
    resolution.assign(found, assignee_id=theirs, actor=two[0])
    resolution.assign(found, assignee_id=theirs, actor=two[0])
    outsider = int(staff(Role.SUPPORT).id)
    assert code_of(lambda: resolution.assign(found, assignee_id=outsider, actor=two[0])) == (
        ReconciliationCode.NOT_OF_FINANCE
    )
    assert resolution.note(found, " Asked them. ", actor=two[1]).note == "Asked them."
    assert code_of(lambda: resolution.note(found, " ", actor=two[1])) == ReconciliationCode.NO_NOTE
    assert [(one.kind, one.data) for one in selectors.history(found)] == [
        ("assigned", {"before": None, "after": theirs}),
        ("noted", {"note": "Asked them."}),
    ]


def test_the_codes_of_the_policy_are_those_of_the_database(database):
    with connection.cursor() as cursor:
        cursor.execute("SELECT code FROM payments_write_off_code")
        assert {row[0] for row in cursor.fetchall()} == set(current_policy().write_off_codes)


def test_runs_asked_for_one_after_the_other_are_one_try_that_can_die_and_be_taken_up(two, owner):
    first = attempts.ask(attempts.Cause.PAGE, actor=two[0])
    assert attempts.ask(attempts.Cause.IMPORT, actor=Actor.system("import")).pk == first.pk
    assert code_of(lambda: attempts.ask(attempts.Cause.PAGE, actor=two[0], provider="nobody")) == (
        ReconciliationCode.UNKNOWN_PROVIDER
    )
    ahead = database_now() + timedelta(minutes=1)
    assert code_of(lambda: attempts.ask(attempts.Cause.PAGE, actor=two[0], as_of=ahead)) == (
        ReconciliationCode.AS_OF_IN_FUTURE
    )
    assert code_of(lambda: attempts.ask(attempts.Cause.PAGE, actor=staff(Role.SUPPORT))) == (
        ReconciliationCode.NOT_ALLOWED
    )
    for turn in range(1, attempts.TRIES_MAX + 1):
        mine = attempts.claim()
        assert (mine.pk, mine.tries, mine.state) == (first.pk, turn, "running")
        assert attempts.claim() is None
        attempts.beat(first.pk, "matching", 3, 7)
        owner.execute(
            "UPDATE payments_reconciliation_attempt SET beat_at = now() - interval '1 hour'"
        )
        owner.commit()
    person = make_staff(Role.FINANCE, key=None)
    assert attempts.claim() is None
    assert attempts.is_due()
    assert [work.sweep(), work.sweep()] == [1, 0]
    ended = selectors.attempt(first.pk)
    assert (ended.state, ended.code, ended.step) == ("failed", "worker_died", "matching")
    assert "3 times" in ended.message
    assert not attempts.is_due()
    assert [n.context["code"] for n in Notice.objects.filter(person_id=person.pk)] == [
        "worker_died"
    ]
    assert AuditEvent.objects.filter(kind="reconciliation.failed").count() == 1


def test_open_breaks_are_counted_by_age_and_currency(database):
    run = kept_run()
    kept_break(run)
    kept_break(run, difference=-20)
    kept_break(run, difference=3, currency="SEK", kind="fee")
    kept_break(run, difference=5, kind="timing")
    assert [
        (one.bucket, one.currency, one.breaks, one.difference_minor)
        for one in selectors.ageing(AS_OF.replace(day=22))
    ] == [("2-3", "EUR", 3, -515), ("2-3", "SEK", 1, 3)]
    with CaptureQueriesContext(connection) as asked:
        selectors.ageing(AS_OF.replace(day=22))
    assert [query["sql"] for query in asked if "GROUP BY" not in query["sql"]] == []
    in_bucket = selectors.breaks(selectors.Wanted(bucket="2-3"), AS_OF.replace(day=22))
    assert in_bucket.count() == 4
    assert selectors.breaks(selectors.Wanted(bucket="0-1"), AS_OF.replace(day=22)).count() == 0
    assert selectors.open_breaks().count() == 3
    with transaction.atomic():
        assert selectors.breaks(selectors.Wanted(kind="fee"), AS_OF).get().currency == "SEK"

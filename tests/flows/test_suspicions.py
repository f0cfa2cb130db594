"""A suspicion is decided by two officers, reported in a sealed file, and told to nobody else."""

import hashlib
import threading
from datetime import timedelta
from uuid import UUID
from xml.etree import ElementTree as xml

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client

from accounts.models import User
from accounts.rights import RightsCode
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import freezing, switches
from compliance.aml import desk, reports
from compliance.watching import alerts, casework, versions
from compliance.watching.alerts import Finding
from compliance.watching.casework import WatchCode
from compliance.watching.rulebook import Family
from compliance.watching.states import State, Verdict
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from notices.models import Notice
from tests import house
from tests.flows.staff_steps import make_staff, officer, staff_client
from tests.flows.watching_steps import (
    a_case,
    state,
    step,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]
STORY = "Three deposits of 1,900.00 EUR <within> three days & no play."


@pytest.fixture
def people(database):
    return officer(), officer()


def proposed(case, by, verdict=Verdict.REPORT):
    casework.take(Family.AML, step(case, by))
    return desk.propose(step(case, by), verdict, STORY)


def refused(act) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return str(caught.value.code)


def test_one_proposes_another_decides_and_the_report_is_sealed(people):
    one, other = people
    case = a_case()
    proposed(case, one)
    assert refused(lambda: desk.approve(step(case, one), "Me too.")) == WatchCode.SAME_PERSON
    assert state(case) is State.PROPOSED
    assert refused(lambda: desk.file_report(step(case, other))) == WatchCode.STEP
    assert desk.approve(step(case, other), "So it is.").state == "to_file"
    done = desk.file_report(step(case, one))
    assert (done.state, done.closed_at is not None, done.due_at) == ("filed", True, None)

    kept = reports.of_case(case.id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM compliance_watch_report")
        sealed = bytes(cursor.fetchone()[0])
    assert b"deposits" not in sealed
    text = reports.unseal(done, reason="To file it.", actor=one)
    assert (hashlib.sha256(text).hexdigest(), len(text)) == (kept.sha256, kept.bytes)
    root = xml.fromstring(text)  # noqa: S314  (our own document)
    assert (root.get("format"), root.get("reference")) == ("faro-suspicion-1", case.reference)
    assert root.findtext("narrative") == STORY
    assert root.findtext("subject/email") == User.objects.get(pk=case.player_id).email
    assert [node.get("amount") for node in root.iter("payment")] == ["1900.00"] * 3
    assert root.find("grounds/ground").get("reason") == "AML-STRUCTURING"
    decision = root.find("decision")
    assert (decision.get("proposed_by"), decision.get("decided_by")) == (str(one), str(other))
    kinds = set(AuditEvent.objects.values_list("kind", flat=True))
    assert {"aml.report_made", "aml.report_opened", "watching.case_moved"} <= kinds
    assert not AuditEvent.objects.filter(after__icontains="1,900").exists()


def test_a_dismissal_takes_two_as_well_and_ends_the_freeze(people):
    one, other = people
    case = a_case()
    desk.freeze(step(case, one))
    assert freezing.grounds(case.player_id) == [freezing.Ground.SUSPICION]
    proposed(case, one, Verdict.DISMISS)
    assert desk.approve(step(case, other), "A salary in three parts.").state == "dismissed"
    assert freezing.grounds(case.player_id) == []
    assert refused(lambda: casework.note(Family.AML, step(case, one), "More.")) == WatchCode.STEP
    assert reports.of_case(case.id) is None


def test_what_was_decided_to_be_reported_stays_frozen_until_two_people_say_otherwise(people):
    one, other = people
    case = a_case()
    player = case.player_id
    desk.freeze(step(case, one))
    proposed(case, one)
    desk.approve(step(case, other), "Yes.")
    desk.thaw(step(case, one), "Perhaps not.")
    assert refused(lambda: desk.thaw(step(case, one), "Again.")) == WatchCode.SAME_PERSON
    desk.file_report(step(case, one))
    assert freezing.grounds(player) == [freezing.Ground.SUSPICION]

    second = casework.open_by_hand(Family.AML, player, "A call.", key="k", actor=one)
    desk.thaw(step(second, one), "Let it go.")
    assert refused(lambda: desk.thaw(step(second, one), "Go on.")) == WatchCode.SAME_PERSON
    proposed(second, one, Verdict.DISMISS)
    assert desk.approve(step(second, other), "This was nothing.").state == "dismissed"
    assert freezing.grounds(player) == [freezing.Ground.SUSPICION]

    third = casework.open_by_hand(Family.AML, player, "The order ended.", key="l", actor=one)
    desk.thaw(step(third, one), "The authority lets it go.")
    assert freezing.grounds(player) == [freezing.Ground.SUSPICION]
    desk.thaw(step(third, other), "Letter of the authority seen.")
    assert freezing.grounds(player) == []
    kinds = [event.kind for event in casework.events(third.id)]
    assert kinds == ["by_hand", "thaw_asked", "thawed"]
    proposed(third, one, Verdict.DISMISS)
    assert desk.approve(step(third, other), "Nothing new.").state == "dismissed"

    fourth = casework.open_by_hand(Family.AML, player, "Another call.", key="m", actor=one)
    desk.freeze(step(fourth, one))
    assert freezing.grounds(player) == [freezing.Ground.SUSPICION]
    proposed(fourth, one, Verdict.DISMISS)
    assert desk.approve(step(fourth, other), "A mistake of the bank.").state == "dismissed"
    assert freezing.grounds(player) == []


def test_a_freeze_that_nobody_decided_about_is_ended_by_who_ordered_it(people):
    case = a_case()
    desk.freeze(step(case, people[0]))
    desk.thaw(step(case, people[0]), "The structuring is a salary.")
    assert freezing.grounds(case.player_id) == []
    for kind in ("switch.disabled", "switch.enabled"):  # administrators and auditors read these
        told = AuditEvent.objects.filter(kind=kind).latest("at")
        assert (told.subject_kind, told.reason) == ("order", "An order of compliance")
        assert str(case.player_id) not in told.subject_id.split(":")


def another_alert(case) -> UUID:
    """An alert of the player that is in no case yet."""
    at = database_now()
    found = Finding(PlayerId(case.player_id), at, at + timedelta(days=99), {})
    return alerts._insert(versions.active("structuring"), found, is_shadow=False)


def test_an_alert_that_joins_makes_the_decision_look_again_and_a_closed_case_takes_none(people):
    one, other = people
    case = a_case()
    proposed(case, one, Verdict.DISMISS)
    seen = step(case, other)
    fresh = another_alert(case)
    with transaction.atomic():
        assert casework.join(Family.AML, case.player_id, fresh, "AML-STRUCTURING") == case.id
    assert refused(lambda: desk.approve(seen, "Nothing.")) == WatchCode.STALE
    assert desk.approve(step(case, other), "Both are nothing.").state == "dismissed"
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="closed case"):
        cursor.execute(
            "INSERT INTO compliance_watch_case_alert (case_id, alert_id) VALUES (%s, %s)",
            [case.id, fresh],
        )


def test_an_alert_that_meets_a_closing_case_opens_another(people, monkeypatch):
    one, other = people
    case = a_case()
    proposed(case, one, Verdict.DISMISS)
    closing, joined, made = threading.Event(), threading.Event(), []
    fresh = another_alert(case)
    write = casework.write

    def write_slowly(case_id, change, actor, key=""):
        write(case_id, change, actor, key)
        if change.kind == "approved":
            closing.set()
            joined.wait(2)

    def join():
        try:
            with transaction.atomic():
                made.append(casework.join(Family.AML, case.player_id, fresh, "AML-STRUCTURING"))
        finally:
            joined.set()
            connections.close_all()

    monkeypatch.setattr(casework, "write", write_slowly)
    joining = threading.Thread(target=lambda: closing.wait(20) and join())
    joining.start()
    assert desk.approve(step(case, other), "Nothing.").state == "dismissed"
    joining.join(20)
    (open_case,) = casework.queue(Family.AML)
    assert made == [open_case.id]
    assert open_case.id != case.id


def test_a_proposal_that_is_given_back_is_in_hand_again(people):
    one, other = people
    case = a_case()
    proposed(case, one)
    assert desk.give_back(step(case, other), "Look at the links.").state == "in_hand"
    assert casework.find(Family.AML, case.reference).decided_by is None
    desk.propose(step(case, other), Verdict.REPORT, STORY)
    assert desk.approve(step(case, one), "Now it is clear.").decided_by == int(one.id)


def test_a_form_sent_twice_is_done_once_and_a_stale_one_not_at_all(people):
    one, other = people
    case = a_case()
    form = step(case, one, key="k1")
    for _ in range(2):
        assert casework.take(Family.AML, form).state == "in_hand"
    stale = step(case, other)
    casework.note(Family.AML, step(case, one), "Seen.")
    assert refused(lambda: casework.take(Family.AML, stale)) == WatchCode.STALE
    assert [event.kind for event in casework.events(case.id)] == ["alert", "taken", "note"]


def test_of_two_officers_who_decide_at_once_one_is_told_to_look_again(people):
    case = a_case()
    proposed(case, people[0])
    others, ready, answers = [officer(), officer()], threading.Barrier(2), []

    def decide(actor, act):
        try:
            form = step(case, actor)
            ready.wait(10)
            answers.append(act(form, "Decided.").state)
        except Refused as caught:
            answers.append(str(caught.code))
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=decide, args=(actor, act))
        for actor, act in zip(others, (desk.approve, desk.give_back), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert "watch_case_stale" in answers
    assert len(set(answers) & {"to_file", "in_hand"}) == 1
    decided = [e.kind for e in casework.events(case.id) if e.kind in {"approved", "returned"}]
    assert len(decided) == 1


def test_the_database_refuses_a_decision_alone_and_a_change_of_the_past(people):
    case = a_case()
    proposed(case, people[0])
    alone = int(people[0].id)
    with connection.cursor() as cursor:
        for change, why in (
            (
                f"state = 'to_file', decided_by = {alone}, version = version + 1",
                "compliance_watch_case_check",
            ),
            ("state = 'dismissed', version = version + 1", "compliance_watch_case_check"),
            (
                "state = 'dismissed', decided_by = 1, proposed_by = 2, version = version + 1",
                "what is decided is what was proposed",
            ),
            ("state = 'open', version = version", "what a case is about does not change"),
        ):
            with pytest.raises(DatabaseError, match=why):
                cursor.execute(f"UPDATE compliance_watch_case SET {change}")  # noqa: S608  (fixed)
        for attack in (
            "UPDATE compliance_watch_event SET text = ''",
            "DELETE FROM compliance_watch_alert",
            "DELETE FROM compliance_watch_case",
            "UPDATE compliance_watch_case SET player_id = 1",
            "UPDATE compliance_watch_report SET sha256 = ''",
        ):
            with pytest.raises(DatabaseError, match="permission denied"):
                cursor.execute(attack)
    assert state(case) is State.PROPOSED


def test_the_database_keeps_what_was_decided(people):
    case = a_case()
    proposed(case, people[0])
    forged = f"decided_by = {people[1].id}, state = 'dismissed', version = version + 1"
    with connection.cursor() as cursor:
        with pytest.raises(DatabaseError, match="what was proposed"):
            cursor.execute(f"UPDATE compliance_watch_case SET {forged}")  # noqa: S608  (fixed)
        desk.approve(step(case, people[1]), "Yes.")
        for change in (
            "verdict = 'dismiss', state = 'dismissed', version = version + 1",
            "state = 'dismissed', version = version + 1",
            "state = 'in_hand', decided_by = NULL, version = version + 1",
            "verdict = 'dismiss', version = version + 1",
        ):
            with pytest.raises(DatabaseError, match="decided"):
                cursor.execute(f"UPDATE compliance_watch_case SET {change}")  # noqa: S608  (fixed)
    assert state(case) is State.TO_FILE


def test_a_case_is_opened_by_hand_once_and_only_about_somebody(people):
    player = house.player()
    for _ in range(2):
        case = casework.open_by_hand(
            Family.AML, player, "A call from the bank.", key="k", actor=people[0]
        )
    assert len(casework.events(case.id)) == 1
    assert case.player_id == player
    for act, code in (
        (lambda: casework.open_by_hand(Family.AML, 999, "x", key="n", actor=people[0]),
         WatchCode.NO_PLAYER),
        (lambda: casework.open_by_hand(Family.AML, player, " ", key="n", actor=people[0]),
         WatchCode.EMPTY),
    ):  # fmt: skip
        assert refused(act) == code
    assert len(casework.queue(Family.AML)) == 1


def test_nobody_but_officers_acts_on_a_suspicion_or_opens_its_report(people):
    case = a_case()
    proposed(case, people[0])
    desk.approve(step(case, people[1]), "Yes.")
    filed = desk.file_report(step(case, people[0]))
    for role in (Role.SUPPORT, Role.FINANCE, Role.ADMINISTRATOR, Role.AUDITOR):
        somebody = Actor.staff(make_staff(role, key=None).pk)
        assert refused(lambda who=somebody: reports.unseal(filed, reason="x", actor=who)) == (
            RightsCode.NOT_ALLOWED
        )
        assert refused(lambda who=somebody: casework.take(Family.AML, step(case, who))) == (
            RightsCode.NOT_ALLOWED
        )
    assert refused(lambda: reports.unseal(filed, reason=" ", actor=people[0])) == WatchCode.EMPTY


WORDS = ("suspici", "suspect", "aml-", "structuring", "laundering", "frozen", "officer")


def test_the_player_reads_nothing_of_a_suspicion_and_gets_no_notice(people):
    case = a_case()
    desk.freeze(step(case, people[0]))
    proposed(case, people[0])
    desk.approve(step(case, people[1]), "Yes.")
    desk.file_report(step(case, people[0]))
    player = Client()
    player.force_login(
        User.objects.get(pk=case.player_id), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    for path in (
        *("/", "/me/", "/cashier/", "/play-safely/", "/account/cases/", "/account/notices/"),
        *("/account/sessions/", "/api/account/payments", "/api/account/balance"),
    ):
        answer = player.get(path, follow=True)
        assert answer.status_code == 200, path
        page = answer.content.decode().lower()
        for word in (*WORDS, case.reference.lower()):
            assert word not in page, (path, word)
    assert not Notice.objects.filter(person_id=case.player_id).exists()


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMINISTRATOR, Role.AUDITOR])
def test_a_frozen_players_page_reads_like_that_of_one_whom_the_desk_disabled(people, role):
    pages = []
    client, player = staff_client(role), house.player()
    path = f"/admin/players/{player}/"
    plain = client.get(path).content.decode()
    assert "No stop of ours" in plain
    for scope in (f"player:{player}", f"suspected:{player}", f"screened:{player}"):
        switches.disable(scope, reason="Said on the phone.", actor=people[0])
        page = client.get(path).content.decode()
        assert ">Disabled</span>" in page
        assert "No stop of ours" not in page
        assert "Said on the phone" not in page
        card = page[page.index('id="gate"') : page.index("nothing is kept of the question")]
        forms = [form for form in ("/stop/", "/release/") if f"{path}{form[1:]}" in page]
        pages.append((card, forms))
        if role is Role.ADMINISTRATOR and not scope.startswith("player"):
            answer = client.post(f"{path}release/", {"reason": "x"}, follow=True).content.decode()
            assert "This is not yours to lift" in answer
        switches.enable(scope, reason="x", actor=people[0])
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.PIT_BOSS])
def test_no_other_role_reads_anything_of_a_suspicion(people, role):
    case = a_case()
    desk.freeze(step(case, people[0]))
    client, player = staff_client(role), case.player_id
    for path in ("/admin/suspicions/", f"/admin/suspicions/{case.reference}/", "/admin/watching/"):
        assert client.get(path).status_code == 403
    paths = ("/admin/", f"/admin/players/{player}/", "/support/", "/support/cases/")
    paths += (f"/support/players/{player}/", f"/support/?q={player}", "/floor/switches/")
    for path in paths:
        page = client.get(path).content.decode().lower()
        for word in (*WORDS[:-1], case.reference.lower()):
            assert word not in page, (path, word)
    told = client.get(f"/support/cases/{case.reference}/").status_code
    assert told == (404 if role is Role.SUPPORT else 403)


def test_officers_alone_are_told_once_of_a_case_that_is_late(people, monkeypatch):
    case = a_case()
    support = make_staff(Role.SUPPORT, key=None).pk
    later = database_now() + timedelta(days=2)
    monkeypatch.setattr(casework, "database_now", lambda: later)
    assert (casework.alarm_overdue(), casework.alarm_overdue()) == (1, 0)
    told = set(Notice.objects.filter(kind="officers_overdue").values_list("person_id", flat=True))
    assert {int(one.id) for one in people} <= told
    assert support not in told
    assert case.player_id not in told
    assert [event.kind for event in casework.events(case.id)] == ["alert", "overdue"]

"""Players are compared with the lists, hits are decided by one or two officers, accounts rest."""

import threading
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, connections, transaction

from accounts.models import Player, User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import freezing, gate
from compliance.kyc import declarations
from compliance.kyc.states import Subject
from compliance.screening import hits, matching, screening
from compliance.screening.hits import HitCode
from compliance.screening.matching import MATCHER, Level
from kernel.ids import Actor, new_id
from kernel.money import Money
from kernel.refusal import Refused
from notices.models import Notice
from tests.flows.screening_steps import (
    THREE,
    general,
    hits_of,
    key,
    load,
    named,
    one_hit,
)
from tests.flows.staff_steps import officer

STRANGERS = ("Bo Lindqvist", "Chidi Okafor", "Hana Suzuki", "Ximena Ortega", "Wim de Vries")
pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]


@pytest.fixture
def officers(database):
    return officer(Role.COMPLIANCE), officer(Role.COMPLIANCE)


def ask(player_id, purpose):
    with transaction.atomic():
        (answer,) = gate.decide(
            [gate.GateRequest(new_id(), player_id, purpose, Money(100, "EUR"), ())],
            now=database_now(),
        )
    return answer


def checks(player_id):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, lists, matcher FROM compliance_screening_check WHERE player_id = %s"
            " ORDER BY at",
            [player_id],
        )
        return cursor.fetchall()


def test_a_listed_person_is_found_and_the_account_rests_without_saying_why():
    made = load()
    listed, other = named("Wladimir Putin", date(1952, 10, 7)), named("Anna Berg")
    hit = one_hit(listed)
    assert (hit.level, hit.score, hit.ref, hit.source) == ("escalate", 1000, "p1", "pep")
    assert hits_of(other) == []
    assert [(row[0], row[2]) for row in checks(other)] == [("clear", MATCHER)]
    assert str(made.id) in str(checks(listed)[0][1])
    for purpose in (gate.Purpose.BET, gate.Purpose.DEPOSIT, gate.Purpose.WITHDRAWAL):
        answer = ask(listed, purpose)
        assert (answer.allowed, answer.code) == (False, gate.GateCode.DISABLED)
        assert answer.data == {"scope": f"player:{listed}"}
        assert ask(other, purpose).code != gate.GateCode.DISABLED


def test_maria_is_not_mario_unless_she_was_born_like_him():
    load()
    other_birth = named("Maria Garcia", date(1990, 2, 28))
    unknown = named("Maria Garcia", date(1960, 5, 5))
    screening.run()
    assert hits_of(other_birth) == []
    (hit,) = hits_of(unknown)
    assert (hit.ref, hit.birth) == ("p2", "agrees")


def test_a_ship_and_a_company_of_a_list_are_no_players():
    load()
    player_id = named("Example Trading")
    screening.run()
    assert hits_of(player_id) == []


def test_who_has_no_name_yet_is_not_called_clear_and_is_screened_when_named():
    load()
    player_id = named("")
    screening.run()
    assert [row[0] for row in checks(player_id)] == ["no_name"]
    User.objects.filter(pk=player_id).update(name="Vladimir Putin")
    Player.objects.filter(pk=player_id).update(date_of_birth=date(1952, 10, 7))
    assert one_hit(player_id).ref == "p1"
    assert [row[0] for row in checks(player_id)] == ["no_name", "hits"]


def test_a_new_list_has_everybody_screened_again_once():
    load()
    people = [named(name) for name in STRANGERS]
    assert screening.run().checked == 5
    assert screening.run().checked == 0
    load(general([*THREE, ("p9", "person", "ORTEGA, Ximena", "", "", "", "")]))
    done = screening.run()
    assert (done.checked, done.hits, done.is_complete) == (5, 1, True)
    assert [one.ref for one in hits_of(people[3])] == ["p9"]


def test_a_run_that_was_stopped_goes_on_where_it_was(monkeypatch):
    load()
    for name in STRANGERS:
        named(name)
    monkeypatch.setattr(screening, "BATCH", 2)
    first = screening.run(budget_ms=-1)
    assert (first.checked, first.is_complete) == (2, False)
    assert screening.run().checked == 3


def test_who_was_never_compared_comes_before_whom_a_new_list_has_again(monkeypatch):
    load()
    old = [named(name) for name in STRANGERS]
    screening.run()
    load(general([*THREE, ("p9", "person", "Somebody Else", "", "", "", "")]))
    fresh = named("Vladimir Putin", date(1952, 10, 7))
    monkeypatch.setattr(screening, "BATCH", 2)
    screening.run(budget_ms=-1)
    assert [len(checks(player)) for player in old] == [1] * 5
    assert freezing.grounds(fresh) == [freezing.Ground.SCREENING]


def test_while_a_run_is_under_way_another_does_nothing():
    load()
    named("Anna Berg")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [screening.RUN_LOCK])
    answers = []

    def run():
        try:
            answers.append(screening.run())
        finally:
            connections.close_all()

    other = threading.Thread(target=run)
    other.start()
    other.join(20)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [screening.RUN_LOCK])
    assert [(one.checked, one.is_complete) for one in answers] == [(0, False)]
    assert screening.run().checked == 1


def test_a_player_who_cannot_be_compared_stops_nobody_and_is_shown_until_they_are(monkeypatch):
    load()
    broken, unreadable, after = named("Bad Luck"), named("Bo Lindqvist"), named("Vladimir Putin")
    with transaction.atomic():
        declarations.write(
            unreadable, Subject.IDENTITY, 1, {"name": "X Y"}, Actor.player(unreadable)
        )
    best, latest = screening._best, declarations.latest

    def fail(one, known):
        if one.player_id == broken:
            raise ValueError("odd")
        return best(one, known)

    def refuse(player_id, subject):
        raise ValueError("no key")

    monkeypatch.setattr(screening, "_best", fail)
    monkeypatch.setattr(declarations, "latest", refuse)
    for _ in range(2):
        done = screening.run()
        assert (done.is_complete, done.failed) == (True, 2)
    assert len(hits_of(after)) == 1
    assert checks(broken) == checks(unreadable) == []
    assert screening.failed() == [broken, unreadable]
    assert AuditEvent.objects.filter(kind="screening.player_failed").count() == 2
    monkeypatch.setattr(screening, "_best", best)
    monkeypatch.setattr(declarations, "latest", latest)
    assert screening.run().checked == 2
    assert screening.failed() == []


def test_who_was_told_of_is_read_once_however_many_cannot_be_compared(monkeypatch):
    load()
    broken = {named(name) for name in STRANGERS}
    asked, since = [], screening.failed_since
    monkeypatch.setattr(screening, "failed_since", lambda at: asked.append(at) or since(at))

    def fail(one, known):
        raise ValueError("odd")

    monkeypatch.setattr(screening, "_best", fail)
    for run in (1, 2):
        assert screening.run().failed == 5
        assert len(asked) == run
        assert AuditEvent.objects.filter(kind="screening.player_failed").count() == 5
    assert set(screening.failed()) == broken


def test_a_cleared_pair_is_not_raised_again_until_the_entry_or_the_player_changes(officers):
    one, _ = officers
    load()
    player_id = named("Vladimir Putin")  # born otherwise: a candidate
    hit = one_hit(player_id)
    assert hit.level == "candidate"
    hits.judge(hit.id, is_true=False, reason="Born 1990.", key=key(), actor=one)
    load(general([*THREE, ("p9", "person", "Somebody Else", "", "", "", "")]))
    screening.run()
    assert [(found.id, found.state) for found in hits_of(player_id)] == [(hit.id, "false")]
    changed = (*THREE[0][:4], "1952-10-07;1991", *THREE[0][5:])
    load(general([changed, *THREE[1:]]), shrunk_because="Test.")
    screening.run()
    assert sorted(found.state for found in hits_of(player_id)) == ["false", "open"]


def test_what_another_matcher_calls_sure_is_raised_again_and_rests_the_account(
    officers, monkeypatch
):
    load()
    player_id = named("Vladimir Putin")
    hit = one_hit(player_id)
    hits.judge(hit.id, is_true=False, reason="Born 1990.", key=key(), actor=officers[0])
    monkeypatch.setattr(screening, "MATCHER", "stricter")
    screening.run()
    assert [found.id for found in hits_of(player_id)] == [hit.id]  # no more sure than before
    monkeypatch.setattr(screening, "MATCHER", "strictest")
    monkeypatch.setattr(matching, "ESCALATE", 850)
    screening.run()
    assert sorted((found.level, found.state) for found in hits_of(player_id)) == [
        (Level.CANDIDATE, "false"),
        (Level.ESCALATE, "open"),
    ]
    assert freezing.grounds(player_id) == [freezing.Ground.SCREENING]


def test_a_sure_hit_takes_two_and_false_lets_the_account_go_on(officers):
    one, other = officers
    load()
    player_id = named("Vladimir Putin", date(1952, 10, 7))
    hit = one_hit(player_id)
    first = key()
    for _ in range(2):  # sent twice, said once
        assert (
            hits.judge(hit.id, is_true=False, reason="A namesake.", key=first, actor=one).state
            == "proposed"
        )
    assert len(hits.words(hit.id)) == 1
    with pytest.raises(Refused) as same:
        hits.agree(hit.id, reason="Yes.", key=key(), actor=one)
    assert same.value.code == HitCode.SAME_PERSON
    assert freezing.grounds(player_id) == [freezing.Ground.SCREENING]
    assert hits.agree(hit.id, reason="Passport seen.", key=key(), actor=other).state == "false"
    assert freezing.grounds(player_id) == []
    assert ask(player_id, gate.Purpose.DEPOSIT).allowed
    with pytest.raises(Refused) as late:
        hits.judge(hit.id, is_true=True, reason="No.", key=key(), actor=one)
    assert late.value.code == HitCode.HIT_DECIDED


def test_a_candidate_called_true_rests_at_once_and_stays_when_a_second_agrees(officers):
    one, other = officers
    load()
    player_id = named("Vladimir Putin")
    hit = one_hit(player_id)
    assert freezing.grounds(player_id) == []
    hits.judge(hit.id, is_true=True, reason="Same passport.", key=key(), actor=one)
    assert freezing.grounds(player_id) == [freezing.Ground.SCREENING]
    assert hits.give_back(hit.id, reason="Look again.", key=key(), actor=other).state == "open"
    hits.judge(hit.id, is_true=True, reason="Looked again.", key=key(), actor=one)
    assert hits.agree(hit.id, reason="So it is.", key=key(), actor=other).state == "true"
    assert freezing.grounds(player_id) == [freezing.Ground.SCREENING]


def test_a_word_without_a_reason_or_right_says_nothing(officers):
    load()
    hit = one_hit(named("Vladimir Putin"))
    for by, reason, code in (
        (officers[0], " ", "reason_missing"),
        (officer(Role.SUPPORT), "x", "not_allowed"),
        (officer(Role.ADMINISTRATOR), "x", "not_allowed"),
    ):
        with pytest.raises(Refused) as caught:
            hits.judge(hit.id, is_true=False, reason=reason, key=key(), actor=by)
        assert str(caught.value.code) == code
    assert hits.words(hit.id) == []


def test_the_database_refuses_one_person_in_both_chairs(officers):
    load()
    hit = one_hit(named("Vladimir Putin", date(1952, 10, 7)))
    insert = (
        "INSERT INTO compliance_screening_word (id, hit_id, no, step, is_true, reason, by_staff,"
        " key) VALUES (%s, %s, %s, %s, false, 'x', %s, %s)"
    )
    staff = int(officers[0].id)
    with connection.cursor() as cursor:
        with pytest.raises(DatabaseError, match="takes two people"):
            cursor.execute(insert, [new_id(), hit.id, 1, "decided", staff, "a"])
        cursor.execute(insert, [new_id(), hit.id, 1, "proposed", staff, "b"])
        with pytest.raises(DatabaseError, match="decided by somebody else"):
            cursor.execute(insert, [new_id(), hit.id, 2, "decided", staff, "c"])
        with pytest.raises(DatabaseError, match="permission denied"):
            cursor.execute("UPDATE compliance_screening_word SET is_true = true")
    assert [word.step for word in hits.words(hit.id)] == ["proposed"]


def test_of_two_officers_who_decide_at_once_one_is_told_that_the_other_was_first(officers):
    load()
    hit = one_hit(named("Vladimir Putin"))
    ready, answers = threading.Barrier(2), []

    def say(by, *, is_true):
        try:
            ready.wait(10)
            answers.append(
                hits.judge(hit.id, is_true=is_true, reason="x", key=key(), actor=by).state
            )
        except Refused as refused:
            answers.append(str(refused.code))
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=say, args=(by,), kwargs={"is_true": is_true})
        for by, is_true in zip(officers, (True, False), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(hits.words(hit.id)) == 1
    assert sum(answer in {"hit_stale", "hit_decided"} for answer in answers) == 1


def test_a_sure_hit_that_is_found_while_another_is_cleared_keeps_the_account_frozen(
    officers, monkeypatch
):
    load()
    player_id = named("Vladimir Putin", date(1952, 10, 7))
    hit = one_hit(player_id)
    hits.judge(hit.id, is_true=False, reason="A namesake.", key=key(), actor=officers[0])
    load(general([*THREE, ("p9", "person", "PUTIN, Vladimir", "", "1952-10-07", "", "")]))
    looked, screened, look = threading.Event(), threading.Event(), hits._others_hold

    def look_slowly(one):
        answer = look(one)
        looked.set()
        screened.wait(2)
        return answer

    def clear():
        try:
            hits.agree(hit.id, reason="Passport seen.", key=key(), actor=officers[1])
        finally:
            connections.close_all()

    monkeypatch.setattr(hits, "_others_hold", look_slowly)
    clearing = threading.Thread(target=clear)
    clearing.start()
    assert looked.wait(20)
    screening.run()
    screened.set()
    clearing.join(20)
    assert sorted((one.ref, one.state) for one in hits_of(player_id)) == [
        ("p1", "false"),
        ("p9", "open"),
    ]
    assert freezing.grounds(player_id) == [freezing.Ground.SCREENING]


def test_a_name_declared_for_the_identity_check_is_screened_and_the_same_again_raises_nothing():
    load()
    player_id = named("")
    screening.run()
    for attempt in (1, 2):
        with transaction.atomic():
            declarations.write(
                player_id,
                Subject.IDENTITY,
                attempt,
                {"name": "Vladimir Putin"},
                Actor.player(player_id),
            )
        assert one_hit(player_id).ref == "p1"
    assert [row[0] for row in checks(player_id)] == ["no_name", "hits", "hits"]


def test_officers_are_told_once_of_a_hit_that_is_late(officers, monkeypatch):
    load()
    hit = one_hit(named("Vladimir Putin"))
    assert hits.alarm_overdue() == 0
    later = database_now() + timedelta(hours=73)
    monkeypatch.setattr(hits, "database_now", lambda: later)
    assert (hits.alarm_overdue(), hits.alarm_overdue()) == (1, 0)
    told = Notice.objects.filter(kind="officers_overdue", context__reference=str(hit.id))
    assert {one.person_id for one in told} == {int(one.id) for one in officers}

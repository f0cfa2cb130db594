"""The record: appended with the change, never changed, personal fields forgettable."""

import subprocess
import sys

import psycopg
import pytest
import structlog
from django.db import DatabaseError, connection, transaction

from audit import personal
from audit.models import AuditEvent
from audit.personal_keys import PersonalCode, rewrap
from audit.record import Personal, Subject, known_kinds, record, register, wording
from kernel.ids import Actor
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tests.conftest import ROOT

CHANGED = register("test.limit_changed", "A limit was changed")
OFFICER = Actor.staff(5)
PLAYER_17 = Subject("player", "17")
NAMES = {"name": "Zoë Müller", "e-mail": "zoe@example.org"}


def _record(**given):
    facts = {"actor": OFFICER, "subject": PLAYER_17, "component": "compliance"} | given
    return record(CHANGED, **facts)


@pytest.mark.feature("F80")
def test_an_event_says_when_who_what_why_and_before_and_after(database):
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        event_id = _record(
            before={"limit_minor": 10_000}, after={"limit_minor": 5_000}, reason="asked by phone"
        )
    event = AuditEvent.objects.get(pk=event_id)
    assert (event.kind, event.wording) == ("test.limit_changed", "A limit was changed")
    assert (event.actor_kind, event.actor_id) == ("staff", "5")
    assert (event.subject_kind, event.subject_id) == ("player", "17")
    assert (event.before, event.after) == ({"limit_minor": 10_000}, {"limit_minor": 5_000})
    assert (event.component, event.reason) == ("compliance", "asked by phone")
    assert event.request_id == "req-1"
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() - %s < interval '20 seconds'", [event.at])
        assert cursor.fetchone() == (True,)


def test_an_event_vanishes_with_the_change_it_describes(database):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert _record().int / 0
    assert AuditEvent.objects.count() == 0


def test_an_unregistered_kind_is_a_bug_and_writes_nothing(database):
    with pytest.raises(InvariantBroken, match="registered"):
        record("test.never_registered", actor=OFFICER, subject=PLAYER_17, component="test")
    assert AuditEvent.objects.count() == 0


def test_one_kind_has_one_wording():
    assert register("test.limit_changed", "A limit was changed") == CHANGED
    with pytest.raises(InvariantBroken, match="one wording"):
        register("test.limit_changed", "Something else")
    with pytest.raises(InvariantBroken, match=r"area\.what_happened"):
        register("Nonsense", "No area")
    assert known_kinds()[CHANGED] == "A limit was changed"
    assert wording("gone.app") == "gone.app"


@pytest.mark.parametrize("value", [1.5, object(), {1: "number as key"}, b"bytes"])
def test_a_value_that_is_not_plain_is_a_bug(database, value):
    with pytest.raises(InvariantBroken):
        _record(after={"value": value})
    assert AuditEvent.objects.count() == 0


def test_text_that_postgresql_cannot_keep_is_marked_not_refused(database):
    event = AuditEvent.objects.get(pk=_record(after={"agent": "a\x00b\ud800c"}, reason="\x00"))
    assert event.after == {"agent": "a\ufffdb?c"}
    assert event.reason == "\ufffd"


@pytest.mark.feature("F44", "F57")
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit_event SET reason = 'nothing happened'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DELETE FROM audit_event_2026_11",
        "INSERT INTO audit_event (id, at, kind, actor_kind, actor_id, subject_kind, subject_id,"
        " component) VALUES (gen_random_uuid(), '2026-02-01', 'k', 'staff', '1', 's', '1', 'c')",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_event",
        "DELETE FROM audit_person_key",
        "UPDATE audit_person_key SET person_id = 1",
        "DELETE FROM audit_seal",
        "UPDATE audit_seal SET payload = ''",
    ],
)
def test_the_application_role_cannot_rewrite_or_backdate_the_record(database, attack):
    event_id = _record(personal=Personal(17, NAMES))
    with psycopg.connect(database.app_url) as db, pytest.raises(psycopg.errors.DatabaseError) as e:
        db.execute(attack)
    assert isinstance(
        e.value, psycopg.errors.InsufficientPrivilege | psycopg.errors.RestrictViolation
    )
    assert [event.pk for event in AuditEvent.objects.all()] == [event_id]


def test_the_model_refuses_to_write():
    with pytest.raises(InvariantBroken):
        AuditEvent().save()
    with pytest.raises(InvariantBroken):
        AuditEvent().delete()


def test_personal_fields_are_not_in_the_database_in_clear(database, owner):
    _record(personal=Personal(17, NAMES))
    dump = owner.execute(
        "SELECT e::text, k::text FROM audit_event e, audit_person_key k"
    ).fetchone()
    assert dump is not None
    assert "example.org" not in str(dump)
    assert b"zoe".hex() not in str(dump)


def test_personal_fields_are_read_by_permitted_staff_with_a_reason_and_that_is_recorded(database):
    event_id = _record(personal=Personal(17, NAMES))
    assert personal.reveal(event_id, actor=OFFICER, reason="complaint 4", permitted=True) == NAMES
    seen = AuditEvent.objects.get(kind="audit.personal_revealed")
    assert (seen.subject_id, seen.reason) == (str(event_id), "complaint 4")
    assert seen.after == {"fields": ["e-mail", "name"]}


@pytest.mark.parametrize(
    ("actor", "reason", "permitted", "code"),
    [
        (OFFICER, "curious", False, PersonalCode.NOT_PERMITTED),
        (Actor.system("job"), "curious", True, PersonalCode.NOT_PERMITTED),
        (OFFICER, "  ", True, PersonalCode.REASON_MISSING),
    ],
)
def test_personal_fields_are_refused_without_right_or_reason(
    database, actor, reason, permitted, code
):
    event_id = _record(personal=Personal(17, NAMES))
    with pytest.raises(Refused) as refusal:
        personal.reveal(event_id, actor=actor, reason=reason, permitted=permitted)
    assert refusal.value.code == code
    assert AuditEvent.objects.filter(kind="audit.personal_revealed").count() == 0


def test_an_erased_person_cannot_be_read_again_and_others_can(database):
    first, second = _record(personal=Personal(17, NAMES)), _record(personal=Personal(17, NAMES))
    other = _record(personal=Personal(18, NAMES))
    assert personal.erase(17, Actor.player(17), reason="article 17") == 1
    for event_id in (first, second):
        with pytest.raises(Refused) as refusal:
            personal.reveal(event_id, actor=OFFICER, reason="look", permitted=True)
        assert refusal.value.code == PersonalCode.ERASED
    assert personal.reveal(other, actor=OFFICER, reason="look", permitted=True) == NAMES
    erased = AuditEvent.objects.get(kind="audit.person_erased")
    assert (erased.subject_id, erased.after) == ("17", {"keys_destroyed": 1})
    assert personal.erase(17, OFFICER) == 0


def test_events_after_an_erasure_get_a_key_of_their_own(database):
    old = _record(personal=Personal(17, NAMES))
    personal.erase(17, OFFICER)
    new = _record(personal=Personal(17, {"name": "again"}))
    assert personal.reveal(new, actor=OFFICER, reason="x", permitted=True) == {"name": "again"}
    with pytest.raises(Refused):
        personal.reveal(old, actor=OFFICER, reason="x", permitted=True)


def test_ciphertext_moved_to_another_row_does_not_open(database, owner):
    first, second = _record(personal=Personal(17, NAMES)), _record(personal=Personal(17, NAMES))
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE audit_event SET personal = (SELECT personal FROM audit_event WHERE id = %s)"
        " WHERE id = %s",
        [first, second],
    )
    with pytest.raises(InvariantBroken, match="belong to their row"):
        personal.reveal(second, actor=OFFICER, reason="x", permitted=True)


def by_owner(database, key, call):
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c",
         f"from audit.personal_keys import rewrap; print({call})"],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env=database.environment() | {"FARO_ROLE": "owner", "FARO_AUDIT_KEY": key},
    )  # fmt: skip
    return done.stdout.strip().splitlines()[-1]


def test_the_wrapping_key_can_be_changed_and_the_old_one_dropped(database, settings):
    event_id = _record(personal=Personal(17, NAMES))
    old, new = settings.FARO_AUDIT_KEY, "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="
    settings.FARO_AUDIT_KEY = f"2:{new},1:{old}"
    assert personal.reveal(event_id, actor=OFFICER, reason="x", permitted=True) == NAMES
    with pytest.raises(DatabaseError, match="the owner of the tables alone"):
        rewrap()
    assert by_owner(database, settings.FARO_AUDIT_KEY, "rewrap()") == "1"
    settings.FARO_AUDIT_KEY = f"2:{new}"
    assert personal.reveal(event_id, actor=OFFICER, reason="x", permitted=True) == NAMES
    settings.FARO_AUDIT_KEY = old
    with pytest.raises(InvariantBroken, match="still holds this version"):
        personal.reveal(event_id, actor=OFFICER, reason="x", permitted=True)

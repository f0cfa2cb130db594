"""Seals over the record: every row, late ones too, and whatever the owner does to them later."""

import json
import threading
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit import personal, seals, tasks
from audit.checking import check_database
from audit.exports import export
from audit.keys import public_key_pem
from audit.models import AuditEvent
from audit.record import Personal, Subject, record, register
from audit.sealed_sources import AUDIT
from kernel.ids import Actor
from verify.__main__ import main
from verify.findings import Code

HAPPENED = register("test.happened", "Something happened")


@pytest.fixture(autouse=True)
def _state(settings, tmp_path):
    settings.STATE_DIR = tmp_path / "state"


def _record(number: int, **more):
    return record(
        HAPPENED,
        actor=Actor.system("test"),
        subject=Subject("thing", str(number)),
        component="test",
        after={"number": number, "name": "Zoë", "nested": {"b": [1, None, True], "a": "x"}},
        **more,
    )


def _found(tmp_path) -> list[tuple[Code, int | None]]:
    folder = tmp_path / f"check-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return [(finding.code, finding.row) for finding in check_database(folder).findings]


def _tamper(owner, statement: str) -> None:
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
    owner.execute(statement)
    owner.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")


@pytest.mark.feature("F44")
def test_seals_number_rows_without_gaps_and_chain(database, tmp_path):
    for number in range(3):
        _record(number)
    first = seals.seal(AUDIT)
    _record(3)
    second = seals.seal(AUDIT)
    assert [(s.number, s.first_row, s.row_count) for s in first + second] == [(1, 1, 3), (2, 4, 1)]
    assert json.loads(second[0].payload)["prev_root"] == first[0].root.hex()
    assert seals.seal(AUDIT) == []
    assert _found(tmp_path) == []


def test_batches_are_bounded_and_continue(database, monkeypatch, tmp_path):
    monkeypatch.setattr(seals, "BATCH_ROWS_MAX", 2)
    for number in range(5):
        _record(number)
    assert [s.row_count for s in seals.seal(AUDIT)] == [2, 2, 1]
    assert _found(tmp_path) == []


def test_a_row_that_commits_after_younger_ones_were_sealed_is_sealed_next(database, tmp_path):
    written, sealed = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                _record(1)
                written.set()
                sealed.wait(10)
        finally:
            connection.close()

    late = threading.Thread(target=slow)
    late.start()
    assert written.wait(10)
    _record(2)
    (before,) = seals.seal(AUDIT)
    sealed.set()
    late.join(10)
    (after,) = seals.seal(AUDIT)
    assert (before.row_count, after.row_count) == (1, 1)
    subjects = [e.subject_id for e in AuditEvent.objects.order_by("at")]
    assert subjects == ["1", "2"]  # older by its date, younger by its seal
    assert _found(tmp_path) == []


def test_two_sealers_at_once_seal_each_row_once(database, tmp_path):
    for number in range(40):
        _record(number)
    start = threading.Barrier(2)
    made = []

    def run() -> None:
        try:
            start.wait(10)
            made.extend(seals.seal(AUDIT))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert sum(s.row_count for s in made) == 40
    assert _found(tmp_path) == []


@pytest.mark.feature("F44")
@pytest.mark.parametrize(
    ("tampering", "code", "row"),
    [
        ("UPDATE audit_event SET reason = 'x' WHERE subject_id = '2'", Code.ROW_CHANGED, 3),
        (
            "UPDATE audit_event SET after = jsonb_set(after, '{number}', '7')"
            " WHERE subject_id = '1'",
            Code.ROW_CHANGED,
            2,
        ),
        (
            "UPDATE audit_event SET at = at - interval '1 microsecond' WHERE subject_id = '0'",
            Code.ROW_CHANGED,
            1,
        ),
        (
            "UPDATE audit_event SET personal = set_byte(personal, 20,"
            " 255 - get_byte(personal, 20)) WHERE subject_id = '3'",
            Code.ROW_CHANGED,
            4,
        ),
        ("DELETE FROM audit_event WHERE subject_id = '2'", Code.ROW_MISSING, 3),
        (
            "UPDATE audit_event SET subject_id = CASE subject_id WHEN '1' THEN '2' ELSE '1' END"
            " WHERE subject_id IN ('1', '2')",
            Code.ROW_CHANGED,
            2,
        ),
    ],
)
def test_what_the_owner_changes_after_the_seal_is_found(
    database, owner, tmp_path, tampering, code, row
):
    for number in range(3):
        _record(number)
    _record(3, personal=Personal(17, {"name": "Zoë"}))
    seals.seal(AUDIT)
    assert _found(tmp_path) == []
    _tamper(owner, tampering)
    assert _found(tmp_path) == [(code, row)]


@pytest.mark.feature("F44")
def test_a_row_that_the_owner_puts_in_under_an_old_date_is_found(database, owner, tmp_path):
    _record(1)
    seals.seal(AUDIT)
    owner.execute(
        "INSERT INTO audit_event (id, at, kind, actor_kind, actor_id, subject_kind, subject_id,"
        " component) VALUES (gen_random_uuid(), clock_timestamp() - interval '2 days',"
        " 'test.happened', 'system', 'x', 'thing', '9', 'test')"
    )
    assert _found(tmp_path) == [(Code.EXTRA_ROWS, None)]
    assert seals.seal(AUDIT) == []
    assert len(seals.seal(AUDIT, everything=True)) == 1
    assert _found(tmp_path) == [(Code.BACKDATED, 2)]


@pytest.mark.feature("F44")
def test_a_history_that_the_owner_seals_anew_differs_from_the_file_beside_it(
    database, owner, tmp_path
):
    _record(1)
    _record(2)
    seals.seal(AUDIT)
    _tamper(owner, "UPDATE audit_event SET reason = 'never mind' WHERE subject_id = '1'")
    owner.execute("ALTER TABLE audit_seal DISABLE TRIGGER USER")
    owner.execute("DELETE FROM audit_seal")
    kept = seals.seals_file("audit").read_bytes()
    seals.seal(AUDIT)
    assert seals.seals_file("audit").read_bytes() == kept
    assert _found(tmp_path) == [(Code.ANCHOR_DIFFERS, None)]


def test_the_file_beside_the_database_is_made_good_after_a_crash(database):
    _record(1)
    seals.seal(AUDIT)
    path = seals.seals_file("audit")
    first = path.read_bytes()
    _record(2)
    seals.seal(AUDIT)
    both = path.read_bytes()
    assert both.startswith(first)
    assert both.count(b"\n") == 2
    path.write_bytes(both[:-30])
    assert seals.write_file("audit") == 1
    assert path.read_bytes() == both
    path.unlink()
    assert seals.write_file("audit") == 2
    assert path.read_bytes() == both


def test_erasing_a_person_leaves_every_seal_valid(database, tmp_path):
    _record(1, personal=Personal(17, {"name": "Zoë"}))
    seals.seal(AUDIT)
    personal.erase(17, Actor.player(17))
    seals.seal(AUDIT)
    assert _found(tmp_path) == []


@pytest.mark.feature("F56")
def test_an_export_is_accepted_by_the_outsiders_program(database, tmp_path, capsys):
    for number in range(5):
        _record(number)
    seals.seal(AUDIT)
    _record(5)
    contents = export(tmp_path / "out", [AUDIT])
    assert contents["audit"]["rows"] == 5  # what no seal covers is not exported
    key = tmp_path / "key.pem"
    key.write_bytes(public_key_pem())
    anchor = str(seals.seals_file("audit"))
    assert main([str(tmp_path / "out"), "--public-key", str(key), "--anchor", anchor]) == 0
    assert capsys.readouterr().out == "5 rows under 1 seals: everything holds\n"
    with pytest.raises(FileExistsError):
        export(tmp_path / "out", [AUDIT])


def test_the_commands_seal_check_and_export(database, owner, tmp_path):
    _record(1)
    out = StringIO()
    call_command("seal", "--format", "json", stdout=out)
    books = ("ledger", "ledger_accounts", "ledger_holds", "ledger_hold_ends")
    game = ("device_keys", "events", "rounds", "sightings")
    sealed = dict.fromkeys((*books, *game), 0) | {"audit": 1}
    assert json.loads(out.getvalue()) == {"ok": True, "sealed": sealed}
    out = StringIO()
    call_command("check_seals", "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["ok"] is True
    out = StringIO()
    call_command("export_audit", str(tmp_path / "out"), "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["sources"]["audit"]["rows"] == 1
    out = StringIO()
    call_command("seal", "--public-key", stdout=out)
    assert out.getvalue().encode() == public_key_pem()
    _tamper(owner, "DELETE FROM audit_event")
    with pytest.raises(CommandError, match="does not match its seals"):
        call_command("check_seals", stdout=StringIO())


def test_the_job_seals_every_source(database):
    _record(1)
    assert tasks.seal() == 1
    assert tasks.seal(everything=True) == 0


def test_a_seal_itself_never_changes(database):
    _record(1)
    seals.seal(AUDIT)
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(database.app_url) as db, refused:
        db.execute("UPDATE audit_seal SET payload = '{}'")

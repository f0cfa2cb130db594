"""Months ahead: looked at by everybody, made by the owner role only."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit import tasks
from audit.partitions import partitions_have_room, rooms

ROOT = Path(__file__).resolve().parents[2]


def _drop_months_after(owner, table: str, first: str) -> None:
    parts = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s AND relname >= %s",
        [f"^{table}_\\d{{4}}_\\d\\d$", f"{table}_{first}"],
    ).fetchall()
    for (part,) in parts:
        owner.execute(f'DROP TABLE "{part}"')


def test_a_migrated_database_has_room(database):
    names = {room.table for room in rooms()}
    assert {"audit_event", "event"} <= names
    assert all(room.enough for room in rooms())
    assert partitions_have_room(databases=["default"]) == []
    assert tasks.extend_partitions() == 0


def test_months_running_out_and_rows_in_default_are_warned_of(database, owner, caplog):
    _drop_months_after(owner, "audit_event", "2026_12")
    owner.execute(
        "INSERT INTO audit_event (id, at, kind, actor_kind, actor_id, subject_kind, subject_id,"
        " component) VALUES (gen_random_uuid(), '2031-01-01', 'k', 's', '1', 's', '1', 'c')"
    )
    ids = [message.id for message in partitions_have_room(databases=["default"])]
    assert ids == ["audit.W001", "audit.W002"]
    assert tasks.extend_partitions() == 1
    assert "extend_partitions under FARO_ROLE=owner" in caplog.text


def test_checks_without_a_database_do_not_look(database):
    assert partitions_have_room(databases=None) == []


def test_the_runtime_role_cannot_make_partitions(database):
    with pytest.raises(CommandError, match="FARO_ROLE=owner"):
        call_command("extend_partitions", stdout=StringIO())


def test_the_owner_role_makes_the_missing_months_protected_like_the_others(database, owner):
    _drop_months_after(owner, "event", "2028_06")
    before = {room.table: room.months_ahead for room in rooms()}
    done = subprocess.run(
        [sys.executable, "manage.py", "extend_partitions", "--format", "json"],
        cwd=ROOT,
        env=database.environment() | {"FARO_ROLE": "owner"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tables = json.loads(done.stdout)["tables"]
    assert tables["event"]["months_ahead"] == 35 > before["event"]
    rights = owner.execute(
        "SELECT has_table_privilege('faro_app', 'event_2028_06', 'SELECT'),"
        " (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'event_2028_06'::regclass)"
    ).fetchone()
    assert rights == (
        False,
        2,
    )  # no direct right; refuses TRUNCATE, and row changes by the parent's

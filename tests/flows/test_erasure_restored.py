"""A copy from before an erasure knows the person again, until it is told whom to forget."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connections

from accounts.models import Player, User
from backoffice.data_rights import erasing, erasure_log
from backoffice.data_rights.erasure_log import BadLog
from backoffice.tasks import alarm_data_requests, keep_retention
from compliance.models import Standing
from tests.conftest import ROOT, Database, cloned_database
from tests.flows.erasure_steps import AT_ONCE, EVERY_CLASS, closed, grant
from tests.flows.screening_steps import named
from tests.flows.test_erasure import BORN, done

pytestmark = [pytest.mark.feature("F111"), pytest.mark.feature("F54")]


@pytest.fixture(autouse=True)
def log(tmp_path, settings) -> Path:
    settings.FARO_ERASURE_LOG = str(tmp_path / "outside" / "erasures.jsonl")
    return tmp_path / "outside" / "erasures.jsonl"


def repeated(copy: Database, log: Path, role: str = "owner") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "repeat_erasures", "--file", str(log)],
        cwd=ROOT,
        env=copy.environment() | {"FARO_ROLE": role, "FARO_STATE_DIR": str(log.parent / "state")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_restored_copy_forgets_again_and_only_its_owner_makes_it(
    database, log, django_db_blocker
):
    player, other = named("Anna Maria Eriksson", BORN), named("Somebody Else", BORN)
    with psycopg.connect(database.owner_url, autocommit=True) as db:
        closed(db, player, "6 years")
    connections.close_all()
    with cloned_database(database.name, django_db_blocker) as copy:  # the backup
        connections["default"].close()
        connections.settings["default"]["NAME"] = database.name
        connections["default"].settings_dict["NAME"] = database.name
        grant(player)
        assert done(player) == set(EVERY_CLASS)
        alarm_data_requests()
        lines = [json.loads(text) for text in log.read_text().splitlines()]
        assert len(lines) == 2 * len(EVERY_CLASS)  # planned and done
        assert {one["class"] for one in lines} == set(EVERY_CLASS)
        assert {one["player"] for one in lines} == {int(player)}
        assert "Eriksson" not in log.read_text()
        connections["default"].close()
        connections.settings["default"]["NAME"] = copy.name
        connections["default"].settings_dict["NAME"] = copy.name
        assert User.objects.get(pk=player).name == "Anna Maria Eriksson"  # as the backup knew her

        alone = repeated(copy, log, role="app")
        assert alone.returncode != 0
        assert "only who restores a copy" in alone.stderr
        assert User.objects.get(pk=player).name == "Anna Maria Eriksson"
        again = repeated(copy, log)
        assert again.returncode == 0, again.stderr[-2_000:]
        assert (
            f"{len(EVERY_CLASS)} classes erased again, 0 players not in this copy" in again.stdout
        )
        assert User.objects.get(pk=player).name == ""
        assert Player.objects.get(pk=player).erased_at is not None
        assert User.objects.get(pk=other).name == "Somebody Else"
        assert "0 classes erased again" in repeated(copy, log).stdout


def of_copy(database: Database, name: str) -> None:
    connections["default"].close()
    connections.settings["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


def test_a_copy_closes_and_plans_again_what_was_granted_and_spares_who_has_the_number_now(
    database, log, django_db_blocker
):
    player = named("Anna Maria Eriksson", BORN)
    connections.close_all()
    with cloned_database(database.name, django_db_blocker) as copy:  # the backup
        of_copy(database, database.name)
        grant(player)
        planned = {item.key: item.due_at for item in erasing.of_player(player)}
        later = named("Came Later", BORN)  # after the backup
        grant(later)
        alarm_data_requests()
        of_copy(database, copy.name)
        assert Standing.objects.get(pk=player).status == "active"
        stranger = [named(f"Somebody {n}", BORN) for n in range(later - player)][-1]
        assert stranger == later  # the sequence gave the number again
        again = repeated(copy, log)
        assert again.returncode == 0, again.stderr[-2_000:]
        assert "3 classes erased again, 1 players not in this copy" in again.stdout
        assert Standing.objects.get(pk=player).status == "closed"
        assert done(player) == AT_ONCE
        kept = {item.key: item.due_at for item in erasing.of_player(player) if not item.done_at}
        assert kept == {key: planned[key] for key in set(EVERY_CLASS) - AT_ONCE}
        assert erasing.of_player(stranger) == []
        assert Standing.objects.get(pk=stranger).status == "active"
        assert "0 classes erased again" in repeated(copy, log).stdout


def test_the_file_is_the_union_of_what_it_said_and_what_the_database_says(database, log, owner):
    player = named("Anna Maria Eriksson", BORN)
    closed(owner, player, "6 years")
    keep_retention()
    assert done(player) == set(EVERY_CLASS)
    whole = log.read_text()
    assert len(whole.splitlines()) == len(EVERY_CLASS)
    assert log.stat().st_mode & 0o777 == 0o600
    foreign = erasure_log.Line(999_999, "identity", "2026-01-01T00:00:00+00:00", "2025-01-01")
    from django.conf import settings

    line = foreign.plain() | {"mac": foreign.mac(settings.SECRET_KEY)}
    log.write_text(json.dumps(line) + "\n")
    assert erasure_log.write() == len(EVERY_CLASS) + 1
    assert set(whole.splitlines()) < set(log.read_text().splitlines())
    log.unlink()
    assert erasure_log.write() == len(EVERY_CLASS)
    assert log.read_text() == whole


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        '{"player": 1, "class": "identity", "at": "x"}',
        '{"player": 1, "class": "identity", "at": "x", "mac": "00"}',
    ],
)
def test_a_line_that_the_house_did_not_write_stops_the_repeat(database, log, text):
    log.parent.mkdir()
    log.write_text(f"{text}\n")
    with pytest.raises(BadLog, match="line 1"):
        list(erasure_log.read(log))
    refused = repeated(database, log)
    assert refused.returncode != 0
    assert "was not written by this house" in refused.stderr
    log.unlink()
    assert "is not there" in repeated(database, log).stderr


def test_failures_of_signing_in_go_after_their_days(database, owner):
    from backoffice.data_rights import sign_in_traces

    for days in (89, 91):
        owner.execute(
            "INSERT INTO axes_accessattempt (user_agent, ip_address, username, http_accept,"
            " path_info, attempt_time, get_data, post_data, failures_since_start)"
            " VALUES ('x', '192.0.2.1', %s, '', '', now() - make_interval(days => %s), '', '', 1)",
            [f"address:{days}", days],
        )
    assert sign_in_traces.forget() == 1
    left = owner.execute("SELECT username FROM axes_accessattempt").fetchall()
    assert left == [("address:89",)]
    assert erasing.run() == erasing.Progress(0, 0)

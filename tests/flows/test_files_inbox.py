"""The watched folder: what has settled is imported once and moved, with a report beside it."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from kernel.clock import ManualClock
from payments.files import arriving, inbox, store
from payments.files.models import SourceFile
from tests.flows.file_steps import SAMPLES, put, row, whole

pytestmark = [pytest.mark.feature("F67")]


@pytest.fixture
def folder(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    settings.RECONCILIATION_INBOX = str(tmp_path / "inbox")
    made = tmp_path / "inbox"
    made.mkdir()
    return made


def clock(seconds: int = 60) -> ManualClock:
    return ManualClock(datetime.now(UTC) + timedelta(seconds=seconds))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_a_file_goes_to_done_or_refused_with_its_report(folder):
    put(folder, "day1.csv", whole())
    put(folder, "day2.csv", whole(row(type="gift"), sequence=2))
    assert inbox.import_settled(clock()) == {"done": 1, "refused": 1}
    assert names(folder) == [
        "done/day1.csv",
        "done/day1.csv.report.json",
        "refused/day2.csv",
        "refused/day2.csv.report.json",
    ]
    done = json.loads((folder / "done/day1.csv.report.json").read_text())
    assert (done["state"], done["rows"], done["source"]) == ("accepted", 1, "simulated")
    refused = json.loads((folder / "refused/day2.csv.report.json").read_text())
    assert refused["refusals"] == [
        {
            "code": "unknown_type",
            "row": 3,
            "column": "type",
            "value": "gift",
            "message": "The mapping does not know this kind of row.",
        }
    ]
    assert inbox.import_settled(clock()) == {}
    assert SourceFile.objects.count() == 2


def test_a_file_that_may_still_be_written_is_left_alone(folder):
    put(folder, "day.csv", whole())
    put(folder, "later.csv.part", whole(sequence=2))
    put(folder, ".hidden.csv", whole(sequence=3))
    assert inbox.import_settled(clock(5)) == {}
    assert inbox.import_settled(clock(11)) == {"done": 1}
    assert [name for name in names(folder) if "/" not in name] == [".hidden.csv", "later.csv.part"]


def test_a_file_that_changes_while_it_is_read_is_refused(folder, monkeypatch):
    path = put(folder, "day.csv", whole())
    copied = arriving._copied

    def slow(file, place):
        staged = copied(file, place)
        with path.open("a") as other:
            other.write("more\n")
        return staged

    monkeypatch.setattr(arriving, "_copied", slow)
    assert inbox.import_settled(clock()) == {"refused": 1}
    report = json.loads((folder / "refused/day.csv.report.json").read_text())
    assert [one["code"] for one in report["refusals"]] == ["file_changed_meanwhile"]


def test_a_link_is_refused_and_what_it_points_to_stays_unread(folder, tmp_path):
    secret = put(tmp_path, "secret.csv", whole())
    (folder / "day.csv").symlink_to(secret)
    (folder / "nowhere.csv").symlink_to(tmp_path / "missing")
    os.utime(folder / "day.csv", (0, 0), follow_symlinks=False)
    os.utime(folder / "nowhere.csv", (0, 0), follow_symlinks=False)
    assert inbox.import_settled(clock()) == {"refused": 2}
    assert {one.refusals[0]["code"] for one in SourceFile.objects.all()} == {"not_a_file"}
    assert not list(store.root().glob("originals/*/*"))
    assert secret.exists()


def test_a_folder_in_the_folder_names_the_source(folder):
    (folder / "stripe").mkdir()
    put(folder / "stripe", "day.csv", whole())
    (folder / "simulated").mkdir()
    put(folder / "simulated", "day.csv", whole())
    assert inbox.import_settled(clock()) == {"done": 1, "refused": 1}
    codes = [one.refusals[0]["code"] for one in SourceFile.objects.filter(state="refused")]
    assert codes == ["wrong_source"]


def test_the_same_file_again_is_refused_and_the_first_stays_where_it_is(folder):
    put(folder, "day.csv", whole())
    inbox.import_settled(clock())
    put(folder, "day.csv", whole())
    assert inbox.import_settled(clock()) == {"refused": 1}
    assert SourceFile.objects.count() == 1
    put(folder, "day.csv", whole(sequence=2))
    assert inbox.import_settled(clock()) == {"done": 1}
    assert len([name for name in names(folder) if name.startswith("done/")]) == 4


def test_the_oldest_comes_first_whatever_it_is_called(folder):
    for name, sequence, age in (("b.csv", 1, 300), ("a.csv", 2, 200)):
        path = put(folder, name, whole(sequence=sequence))
        at = datetime.now(UTC).timestamp() - age
        os.utime(path, (at, at))
    assert inbox.import_settled(clock()) == {"done": 2}
    assert [one.notes for one in SourceFile.objects.all()] == [[], []]


def test_two_workers_at_once_import_a_file_once(folder):
    for number in range(1, 6):
        put(folder, f"{number}.csv", whole(sequence=number))
    found, start = [], threading.Barrier(2)

    def work() -> None:
        start.wait()
        try:
            found.append(inbox.import_settled(clock()))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sum(one.get("done", 0) for one in found) == 5
    assert sum(one.get("refused", 0) for one in found) == 0
    assert SourceFile.objects.filter(state="accepted").count() == 5


def _aged(path: Path, seconds: int) -> None:
    at = datetime.now(UTC).timestamp() - seconds
    os.utime(path, (at, at))


def test_a_date_of_no_year_that_can_be_is_refused_and_the_file_behind_it_comes_in(folder):
    sample = (SAMPLES / "bank" / "camt053_02.xml").read_text("utf-8")
    _aged(put(folder, "a.xml", sample.replace("2026-11-26</Dt>", "12026-11-26</Dt>", 1)), 900)
    _aged(put(folder, "b.csv", whole()), 600)
    assert inbox.import_settled(clock()) == {"refused": 1, "done": 1}
    (refused,) = json.loads((folder / "refused/a.xml.report.json").read_text())["refusals"]
    assert (refused["code"], refused["value"]) == ("bad_date", "12026-11-26")
    assert refused["row"] == 1 + sample[: sample.index("2026-11-26</Dt>")].count("\n")


@pytest.mark.parametrize("where", ["payments.files.formats.read", "payments.files.store.workplace"])
def test_a_file_that_the_program_fails_at_is_refused_and_those_behind_it_come_in(
    folder, monkeypatch, where
):
    _aged(put(folder, "a.csv", whole()), 900)
    _aged(put(folder, "b.csv", whole(sequence=2)), 600)
    module, _, name = where.rpartition(".")
    real, calls = getattr(sys.modules[module], name), []

    def fails_once(*args, **more):
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("of nobody's making")
        return real(*args, **more)

    monkeypatch.setattr(where, fails_once)
    assert inbox.import_settled(clock()) == {"refused": 1, "done": 1}
    assert names(folder)[2:] == ["refused/a.csv", "refused/a.csv.report.json"]
    (refused,) = json.loads((folder / "refused/a.csv.report.json").read_text())["refusals"]
    assert refused["code"] == "reader_failed"
    assert "RuntimeError" in refused["message"]
    kept = SourceFile.objects.filter(state="refused").count()
    assert kept == (1 if where.endswith("read") else 0)
    assert inbox.import_settled(clock()) == {}


def test_what_fails_for_another_reason_stays_and_comes_again(folder, monkeypatch):
    put(folder, "day.csv", whole())

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(store, "keep_rows", full)
        assert inbox.import_settled(clock()) == {}
    assert names(folder) == ["day.csv"]
    assert not SourceFile.objects.exists()
    assert inbox.import_settled(clock()) == {"done": 1}

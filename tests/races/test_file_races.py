"""Two people bring the same file, or two statements that cannot both follow: one is taken."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from payments.files import continuity, importing, store
from payments.files.models import BankStatement, SourceFile
from tests.flows.file_steps import deliver, put, whole
from tests.flows.test_files_camt import statement

pytestmark = [pytest.mark.feature("F67")]


@pytest.fixture
def inside(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    return tmp_path


def at_once(paths, monkeypatch):
    """Import the files so that each has been read whole before any is registered."""
    start, outcomes = threading.Barrier(len(paths)), []
    accept = importing._accept

    def together(*given):
        start.wait(timeout=30)
        return accept(*given)

    monkeypatch.setattr(importing, "_accept", together)

    def work(path):
        try:
            outcomes.append(deliver(path))
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=[path]) for path in paths]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    return outcomes


def test_the_same_file_at_once_is_taken_once(inside, monkeypatch):
    paths = [put(inside, f"{name}.csv", whole()) for name in "abc"]
    outcomes = at_once(paths, monkeypatch)
    assert sorted(one.state for one in outcomes) == ["accepted", "refused", "refused"]
    assert {one.faults[0].code for one in outcomes if one.faults} == {"seen_before"}
    file = SourceFile.objects.get()
    assert store.path_of(file.original_path).is_file()
    assert store.path_of(file.rows_path).is_file()


def test_two_statements_that_follow_the_same_one_are_not_both_taken(inside, monkeypatch):
    deliver(put(inside, "1.xml", statement(1, 0, 500)))
    paths = [put(inside, f"2{name}.xml", statement(2, 500, minor)) for name, minor in
             (("a", 100), ("b", 200))]  # fmt: skip
    outcomes = at_once(paths, monkeypatch)
    assert sorted(one.state for one in outcomes) == ["accepted", "refused"]
    assert BankStatement.objects.count() == 2


def test_control_without_the_lock_both_statements_are_taken(inside, monkeypatch):
    deliver(put(inside, "1.xml", statement(1, 0, 500)))
    follow, meet = continuity.follow, threading.Barrier(2)

    def together(*given, **said):
        found = follow(*given, **said)
        meet.wait(timeout=30)
        return found

    monkeypatch.setattr(continuity, "follow", together)
    monkeypatch.setattr(importing, "_lock", lambda: None)
    paths = [put(inside, f"2{name}.xml", statement(2, 500, minor)) for name, minor in
             (("a", 100), ("b", 200))]  # fmt: skip
    outcomes = at_once(paths, monkeypatch)
    assert [one.state for one in outcomes] == ["accepted", "accepted"]

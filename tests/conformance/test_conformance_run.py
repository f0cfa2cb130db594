"""What a run says of each row: that a test was skipped or not run is said, not left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from casino import conformance, conformance_run
from casino.conformance import ROOT, Proof
from casino.conformance_run import Came, Standing
from tests.gates import __main__ as gates_main
from tests.gates import recording, rows, tools
from tests.gates.outcome import Outcome

pytestmark = pytest.mark.feature("F118")

TESTS = """
import pytest

def test_it_stands(): ...

@pytest.mark.parametrize("case", ["a", "b"])
def test_one_case_of_two_is_skipped(case):
    if case == "b":
        pytest.skip("not here")

def test_it_falls():
    assert False

@pytest.fixture
def broken_at_the_end():
    yield
    raise RuntimeError("late")

class TestLate:
    def test_its_fixture_falls(self, broken_at_the_end): ...

@pytest.mark.skip(reason="not here")
def test_it_is_skipped(): ...

class TestBuilt:
    def __init__(self): ...
    def test_no_collector_takes_it(self): ...
"""
ALL = (
    "it_stands", "one_case_of_two_is_skipped", "it_falls", "its_fixture_falls", "it_is_skipped",
    "it_was_not_run", "no_collector_takes_it",
)  # fmt: skip


def record_of(tmp_path: Path, *words: str, text: str = TESTS) -> Path:
    """The record of a real run of these tests."""
    tests = tmp_path / "tests" / "test_some.py"
    tests.parent.mkdir()
    tests.write_text(text)
    record = tmp_path / "run" / "record.jsonl"
    environment = os.environ | recording.begin(record) | {"PYTHONPATH": str(ROOT)}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path)),
            *("-p", "no:cacheprovider", "-p", "tests.gates.recording", *words, "tests"),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    return record


@pytest.mark.parametrize("words", [(), ("-p", "xdist", "-n", "2")])
def test_each_test_is_recorded_with_the_worst_that_became_of_it(tmp_path, words):
    run = conformance_run.read(record_of(tmp_path, *words))
    assert run.began_at
    assert {name: run.of(Proof("F1", f"test_{name}", "tests/test_some.py")) for name in ALL} == {
        "it_stands": Came.PASSED,
        "one_case_of_two_is_skipped": Came.SKIPPED,
        "it_falls": Came.FAILED,
        "its_fixture_falls": Came.FAILED,
        "it_is_skipped": Came.SKIPPED,
        "it_was_not_run": Came.NOT_RUN,
        "no_collector_takes_it": Came.NOT_RUN,
    }
    assert run.is_whole
    assert run.reasons["tests/test_some.py", "test_it_is_skipped"] == {"not here"}


DYING = """
import os
import pytest

@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_the_second_case_ends_its_process(case):
    if case == "b":
        os._exit(3)
"""


def test_cases_that_a_dead_process_left_are_not_run_and_the_run_is_not_whole(tmp_path):
    run = conformance_run.read(record_of(tmp_path, text=DYING))
    proof = Proof("F1", "test_the_second_case_ends_its_process", "tests/test_some.py")
    assert run.outcomes[proof.file, proof.test] == {Came.PASSED, Came.NOT_RUN}
    assert run.of(proof) is Came.NOT_RUN
    assert not run.is_whole


def test_a_case_that_ends_a_worker_has_failed(tmp_path):
    """xdist gives the rest to another worker; of the dead one's case there is no tear-down."""
    run = conformance_run.read(record_of(tmp_path, "-p", "xdist", "-n", "2", text=DYING))
    proof = Proof("F1", "test_the_second_case_ends_its_process", "tests/test_some.py")
    assert run.outcomes[proof.file, proof.test] == {Came.PASSED, Came.FAILED}
    assert run.is_whole


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.setattr(conformance_run, "commit", lambda: "abc")


def written(tmp_path: Path, **outcomes: str) -> Path:
    record = tmp_path / "record.jsonl"
    lines = [{"began_at": "2026-11-27T10:00:00+00:00", "commit": "abc"}]
    lines += [{"file": "tests/test_a.py", "test": t, "outcome": o} for t, o in outcomes.items()]
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return record


@pytest.mark.parametrize(
    ("outcomes", "standing"),
    [
        ({"test_one": "passed", "test_two": "passed"}, Standing.SHOWN),
        ({"test_one": "passed", "test_two": "skipped"}, Standing.IN_PART),
        ({"test_one": "passed"}, Standing.IN_PART),
        ({"test_one": "passed", "test_two": "failed"}, Standing.FAILED),
        ({"test_one": "skipped"}, Standing.SKIPPED),
        ({}, Standing.NOT_RUN),
    ],
)
def test_a_row_is_shown_only_where_all_its_tests_passed(tmp_path, outcomes, standing):
    proofs = [
        Proof("F2", "test_one", "tests/test_a.py"),
        Proof("F2", "test_two", "tests/test_a.py"),
    ]
    first, second, *_rest = conformance_run.standings(
        conformance.rows(), proofs, conformance_run.read(written(tmp_path, **outcomes))
    )
    assert (first.standing, second.standing) == (Standing.NO_TEST, standing)


def test_the_command_says_date_commit_and_what_was_not_run(tmp_path, monkeypatch):
    proofs = [
        Proof("F2", "test_one", "tests/test_a.py"),
        Proof("F2", "test_two", "tests/test_a.py"),
    ]
    monkeypatch.setattr(conformance, "proofs", lambda: proofs)
    said = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("conformance", run=str(written(tmp_path, test_one="passed")), stdout=said)
    assert ended.value.code == 1
    assert "run of 2026-11-27T10:00:00+00:00 on abc" in said.getvalue()
    assert "F2    in part  " in said.getvalue()
    assert "not run: two (tests/test_a.py)" in said.getvalue()
    assert "1 in part, 119 no test" in said.getvalue()


def test_the_command_is_content_where_every_test_of_a_row_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(conformance, "proofs", lambda: [Proof("F2", "test_one", "tests/test_a.py")])
    said = StringIO()
    record = str(written(tmp_path, test_one="passed"))
    call_command("conformance", run=record, format="json", stdout=said)
    told = json.loads(said.getvalue())
    assert told["rows"]["F2"] == {"standing": "shown", "tests": {"passed": 1}, "missing": {}}


def test_the_run_of_another_commit_is_said_and_is_no_success(tmp_path, monkeypatch):
    monkeypatch.setattr(conformance, "proofs", lambda: [Proof("F2", "test_one", "tests/test_a.py")])
    monkeypatch.setattr(conformance_run, "commit", lambda: "abd")
    wrong = StringIO()
    record = str(written(tmp_path, test_one="passed"))
    with pytest.raises(SystemExit) as ended:
        call_command("conformance", run=record, stdout=StringIO(), stderr=wrong)
    assert ended.value.code == 1
    assert "that was a run of abc; this is abd" in wrong.getvalue()


def test_a_run_that_did_not_end_is_no_success(tmp_path, monkeypatch):
    monkeypatch.setattr(conformance, "proofs", lambda: [Proof("F2", "test_one", "tests/test_a.py")])
    record = written(tmp_path, test_one="passed")
    record.write_text(record.read_text() + '{"run": "begins"}\n')
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("conformance", run=str(record), stdout=said)
    assert "did not come to its end" in said.getvalue()


SKIPPED = '{"file": "%s", "test": "test_one", "outcome": "skipped", "reason": "%s"}\n'


@pytest.mark.parametrize(
    ("file", "line", "problems"),
    [
        ("tests/test_a.py", "", ["F2 not run: one (tests/test_a.py)"]),
        (
            "tests/test_a.py",
            SKIPPED % ("tests/test_a.py", "later"),
            ["F2 skipped (later): one (tests/test_a.py)"],
        ),
        ("tests/test_a.py", SKIPPED % ("tests/test_a.py", "node is not installed"), []),
        ("tests/browser/test_a.py", "", []),
    ],
)
def test_after_all_gates_a_kept_row_is_shown_or_the_machine_is_named_to_lack_something(
    tmp_path, monkeypatch, file, line, problems
):
    monkeypatch.setattr(conformance, "proofs", lambda: [Proof("F2", "test_one", file)])
    monkeypatch.setattr(conformance, "kept", lambda: ["F2"])
    lacks = {"node is not installed": (), "Debian's chromium is not installed": ("tests/browser/",)}
    monkeypatch.setattr(rows, "lacks", lambda: lacks)
    record = written(tmp_path)
    record.write_text(record.read_text() + line)
    assert rows.outcome(record).passed is (problems == [])
    assert (
        conformance_run.not_shown(
            conformance.kept(), conformance.proofs(), conformance_run.read(record), lacks
        )
        == problems
    )


@pytest.mark.parametrize("wanted", [[], ["ruff"]])
def test_rows_are_looked_at_after_all_gates_and_not_after_some(monkeypatch, wanted):
    looked = []
    monkeypatch.setattr(gates_main.tools, "install", list)
    monkeypatch.setattr(gates_main.recording, "begin", dict)
    monkeypatch.setattr(gates_main, "run", lambda gate: Outcome(gate.name, True, 0.0))
    monkeypatch.setattr(gates_main, "print_table", lambda *_given: None)
    monkeypatch.setattr(
        gates_main.rows, "outcome", lambda: looked.append(1) or Outcome("rows", False, 0.0)
    )
    assert gates_main.main(wanted) == (0 if wanted else 1)
    assert len(looked) == (0 if wanted else 1)


@pytest.mark.parametrize("text", ["", "no json\n", '{"commit": "abc"}\n', '{"began_at": "x", "c'])
def test_a_record_that_is_none_or_cut_is_said(tmp_path, text):
    record = tmp_path / "record.jsonl"
    record.write_text(text)
    with pytest.raises(CommandError, match="no record of a run"):
        call_command("conformance", run=str(record))
    with pytest.raises(CommandError, match="no record of a run"):
        call_command("conformance", run=str(tmp_path / "none.jsonl"))


def test_a_kept_row_has_a_test_and_a_row_with_a_test_is_kept():
    """Otherwise: bring the test back, or `manage.py conformance` for a row that is new."""
    assert conformance.grown(conformance.proofs(), conformance.kept()) == conformance.kept()


def test_a_row_that_loses_its_last_test_is_refused_by_name(monkeypatch):
    left = [proof for proof in conformance.proofs() if proof.row != "F102"]
    assert len(left) < len(conformance.proofs())
    with pytest.raises(conformance.LostRow, match=r"F102$"):
        conformance.grown(left, conformance.kept())
    monkeypatch.setattr(conformance, "proofs", lambda: left)
    before = conformance.PAGE.read_text(), conformance.kept()
    with pytest.raises(CommandError, match="F102"):
        call_command("conformance")
    assert (conformance.PAGE.read_text(), conformance.kept()) == before


def history(repository: Path, file: str) -> list[list[str]]:
    """What ``file`` said at each commit that changed it, newest first."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-c", f"safe.directory={repository}", "-C", str(repository), *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    commits = git("log", "--format=%H", "--diff-filter=AM", "--", file).split()
    return [git("show", f"{commit}:{file}").split() for commit in commits]


def taken_off(now: list[str], before: list[list[str]]) -> set[str]:
    return {row for version in before for row in version} - set(now)


def test_no_row_was_ever_taken_off_the_list():
    if why := tools.why_no_history():
        pytest.skip(why)
    file = str(conformance.KEPT.relative_to(ROOT))
    assert taken_off(conformance.kept(), history(ROOT, file)) == set()


def test_a_row_that_was_taken_off_is_noticed(tmp_path):
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x", *words],
            capture_output=True,
            check=True,
        )

    git("init")
    for text in ("F1\nF2\n", "F1\nF2\nF3\n", "F1\nF3\n"):
        (tmp_path / "proven.txt").write_text(text)
        git("add", "proven.txt")
        git("commit", "-m", "rows")
    before = history(tmp_path, "proven.txt")
    assert len(before) == 3
    assert taken_off(["F1", "F3"], before) == {"F2"}


def test_a_shallow_clone_is_said_to_have_no_history(tmp_path, monkeypatch):
    whole, copy = tmp_path / "whole", tmp_path / "copy"
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    for words in (
        ("git", "init", str(whole)),
        *(("git", "-C", str(whole), *who, "commit", "--allow-empty", "-m", "x"),) * 2,
        ("git", "clone", "--depth", "1", f"file://{whole}", str(copy)),
    ):
        subprocess.run(words, check=True, capture_output=True)
    monkeypatch.setattr(tools, "ROOT", whole)
    assert tools.why_no_history() == ""
    monkeypatch.setattr(tools, "ROOT", copy)
    assert tools.why_no_history() == "a shallow clone: its history is what is looked at"
    monkeypatch.setattr(tools, "ROOT", tmp_path)
    assert (
        tools.why_no_history() == "no repository that git reads: its history is what is looked at"
    )

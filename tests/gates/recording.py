"""As a pytest plugin (`-p tests.gates.recording`): what became of each test, for the conformance.

Appends to the file that ``FARO_TEST_RECORD`` names; without it nothing is written. Each line is one
test of one run: where it stands, its name, and ``passed``, ``failed`` or ``skipped``. What
`manage.py conformance --run` does not find there was not run.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

RECORD = "FARO_TEST_RECORD"
ROOT = Path(__file__).resolve().parent.parent.parent
#: Where `bin/test` keeps the record of its last run.
LAST_RUN = ROOT / "var" / "tests" / "last-run.jsonl"


def begin(path: Path = LAST_RUN) -> dict[str, str]:
    """Begin a record anew, with when and on what; the environment that has tests written to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"began_at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit()}
    path.write_text(json.dumps(head) + "\n")
    return {RECORD: str(path)}


def _commit() -> str:
    """The commit, marked where files differ from it; empty outside a repository."""
    words = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return ""
    return told.stdout.strip()


class _Recorder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._worst: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passes in its call alone; set-up, call and tear-down can all fail or skip it."""
        known = self._worst.get(report.nodeid)
        if report.when == "call" or report.outcome != "passed":
            self._worst[report.nodeid] = "failed" if known == "failed" else report.outcome
        if report.when != "teardown" or report.nodeid not in self._worst:
            return
        file, _, name = report.nodeid.partition("::")
        line = {
            "file": file,
            "test": name.partition("[")[0].rpartition("::")[2],
            "outcome": self._worst.pop(report.nodeid),
        }
        with self._path.open("a") as record:  # a line is less than a page: it is written whole
            record.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """One process writes: xdist's, which hears of every worker's tests."""
    path = os.environ.get(RECORD)
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(_Recorder(Path(path)), "faro-recording")

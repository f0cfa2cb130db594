"""As a pytest plugin (`-p tests.gates.recording`): what became of each test, for the conformance.

Appends to the file that ``FARO_TEST_RECORD`` names; without it nothing is written. A run writes
that it begins, how many cases of each test it is going to run, one line for each case with
``passed``, ``failed`` or ``skipped`` (and why), and that it ended. What `manage.py conformance
--run` does not find there was not run, and a case that was to be run and has no line neither.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casino.conformance_run import LAST_RUN, commit

RECORD = "FARO_TEST_RECORD"


def begin(path: Path = LAST_RUN) -> dict[str, str]:
    """Begin a record anew, with when and on what; the environment that has tests written to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"began_at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
    path.write_text(json.dumps(head) + "\n")
    return {RECORD: str(path)}


def _place(nodeid: str) -> tuple[str, str]:
    file, _, name = nodeid.partition("::")
    return file, name.partition("[")[0].rpartition("::")[2]


class _Recorder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._worst: dict[str, tuple[str, str]] = {}
        self._is_told = False

    def _write(self, *lines: dict[str, Any]) -> None:
        with self._path.open("a") as record:
            record.write("".join(json.dumps(line) + "\n" for line in lines))

    def pytest_sessionstart(self) -> None:
        self._write({"run": "begins"})

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._tell([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        self._tell(ids)

    def _tell(self, nodeids: Sequence[str]) -> None:
        """What is going to be run; every worker of xdist says the same."""
        if self._is_told or not nodeids:
            return
        self._is_told = True
        counts = Counter(map(_place, nodeids))
        self._write(*({"file": f, "test": t, "cases": n} for (f, t), n in counts.items()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passes in its call alone; set-up, call and tear-down can all fail or skip it."""
        known, _reason = self._worst.get(report.nodeid, ("", ""))
        if report.when == "call" or report.outcome != "passed":
            outcome = "failed" if known == "failed" else report.outcome
            self._worst[report.nodeid] = (outcome, _reason_of(report))
        if report.when == "teardown":
            self._settle(report.nodeid)

    def _settle(self, nodeid: str) -> None:
        if nodeid not in self._worst:
            return
        outcome, reason = self._worst.pop(nodeid)
        file, test = _place(nodeid)
        told = {"file": file, "test": test, "outcome": outcome}
        self._write(told | ({"reason": reason} if reason else {}))

    def pytest_sessionfinish(self) -> None:
        for nodeid in list(self._worst):  # of a worker that died there is no tear-down
            self._settle(nodeid)
        self._write({"run": "ends"})


def _reason_of(report: pytest.TestReport) -> str:
    """Why it was skipped, as the test says it."""
    if report.outcome != "skipped" or not isinstance(report.longrepr, tuple):
        return ""
    return str(report.longrepr[2]).removeprefix("Skipped: ")


def pytest_configure(config: pytest.Config) -> None:
    """One process writes: xdist's, which hears of every worker's tests."""
    path = os.environ.get(RECORD)
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(_Recorder(Path(path)), "faro-recording")

"""What the last run of the tests says of each row: shown, failed, skipped, or not run at all.

The record is written by `bin/test` (``tests.gates.recording``): what was to be run, what became of
it, and whether each run came to its end. It is no part of the committed page: that says which test
would show a row, this says whether it did, when, and on what.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from casino.conformance import ROOT, Proof, Row

LAST_RUN: Final = ROOT / "var" / "tests" / "last-run.jsonl"


class Came(StrEnum):
    """What became of a test, the worst first; of a row, what its tests came to together."""

    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_RUN = "not run"
    PASSED = "passed"


class Standing(StrEnum):
    """What a run says of a row."""

    SHOWN = "shown"
    IN_PART = "in part"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_RUN = "not run"
    NO_TEST = "no test"


class BadRecord(ValueError):
    """A record that is none, or was cut in the middle of a line."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: when it began, on which commit, and the outcomes of each test by file and name."""

    began_at: str
    commit: str
    outcomes: Mapping[tuple[str, str], frozenset[Came]]
    #: Why tests were skipped, by file and name.
    reasons: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    #: Whether every run that was begun came to its end: else tests may be missing unnoticed.
    is_whole: bool = True

    def of(self, proof: Proof) -> Came:
        """The worst of what became of it: of several cases and runs none may be missing."""
        found = self.outcomes.get((proof.file, proof.test), frozenset({Came.NOT_RUN}))
        return next(one for one in Came if one in found)


@dataclass(frozen=True, slots=True)
class Shown:
    """One row in one run, and its tests that did not pass."""

    row: Row
    standing: Standing
    counts: Mapping[Came, int]
    missing: tuple[tuple[Proof, Came], ...]


def read(path: Path = LAST_RUN) -> Run:
    """The record at ``path``. Raises ``BadRecord``; ``OSError`` where there is none.

    A case that was to be run and of which nothing is told was not run: its process may have died.
    """
    head: dict[str, Any] = {}
    found: dict[tuple[str, str], set[Came]] = {}
    reasons: dict[tuple[str, str], set[str]] = {}
    waiting: Counter[tuple[str, str]] = Counter()
    open_runs = 0
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            told = json.loads(line)
            if number == 1:
                head = {"began_at": told["began_at"], "commit": told["commit"]}
                continue
            if "run" in told:
                open_runs += {"begins": 1, "ends": -1}[told["run"]]
                continue
            key = (told["file"], told["test"])
            if "cases" in told:
                waiting[key] += int(told["cases"])
                continue
            found.setdefault(key, set()).add(Came(told["outcome"]))
            waiting[key] -= 1
            if told.get("reason"):
                reasons.setdefault(key, set()).add(str(told["reason"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadRecord(f"{path.name}, line {number}: {error}") from None
    if not head:
        raise BadRecord(f"{path.name}: is empty")
    for key, cases in waiting.items():
        if cases > 0:
            found.setdefault(key, set()).add(Came.NOT_RUN)
    return Run(
        head["began_at"],
        head["commit"],
        {key: frozenset(of) for key, of in found.items()},
        {key: frozenset(of) for key, of in reasons.items()},
        open_runs == 0,
    )


def commit(root: Path = ROOT) -> str:
    """The commit of ``root``, marked where files differ from it; empty outside a repository."""
    words = (
        *("git", "-c", f"safe.directory={root}", "describe"),
        *("--always", "--dirty", "--abbrev=12", "--exclude=*"),
    )
    try:
        told = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return ""
    return told.stdout.strip()


def not_shown(
    kept: Sequence[str], proofs: Sequence[Proof], run: Run, lacks: Mapping[str, Sequence[str]]
) -> list[str]:
    """Tests of kept rows that a whole run did not show, in words; empty where all is well.

    ``lacks``: what this machine lacks, each with where its tests lie (paths, as they begin). A test
    that was skipped for one of these reasons, or that lies there and was not run, is no fault.
    """
    found = [] if run.is_whole else ["a run of the tests did not come to its end"]
    for proof in proofs:
        came = run.of(proof)
        if proof.row not in kept or came is Came.PASSED:
            continue
        reasons = run.reasons.get((proof.file, proof.test), frozenset())
        is_named = came is Came.SKIPPED and reasons and reasons <= set(lacks)
        places = [place for several in lacks.values() for place in several]
        if is_named or (came is Came.NOT_RUN and any(map(proof.file.startswith, places))):
            continue
        why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
        found.append(f"{proof.row} {came}{why}: {proof.sentence} ({proof.file})")
    return found


def standings(rows: Sequence[Row], proofs: Sequence[Proof], run: Run) -> list[Shown]:
    """Every row of the table, in its order, with what ``run`` says of it."""
    found = []
    for row in rows:
        of_row = [(proof, run.of(proof)) for proof in proofs if proof.row == row.name]
        counts = Counter(came for _proof, came in of_row)
        missing = tuple((proof, came) for proof, came in of_row if came is not Came.PASSED)
        found.append(Shown(row, _standing(counts), counts, missing))
    return found


def _standing(counts: Mapping[Came, int]) -> Standing:
    if not counts:
        return Standing.NO_TEST
    if Came.FAILED in counts:
        return Standing.FAILED
    if set(counts) == {Came.PASSED}:
        return Standing.SHOWN
    if Came.PASSED in counts:
        return Standing.IN_PART
    return Standing.SKIPPED if Came.SKIPPED in counts else Standing.NOT_RUN


def text(run: Run, shown: Sequence[Shown]) -> str:
    """For people: each row, then every test that did not pass, then the sum."""
    lines = [f"run of {run.began_at} on {run.commit or 'no commit'}"]
    lines += [] if run.is_whole else ["it did not come to its end: tests may be missing"]
    lines.append("")
    for one in shown:
        counts = ", ".join(f"{one.counts[came]} {came}" for came in Came if came in one.counts)
        lines.append(
            f"{one.row.name:<5} {one.standing:<8} {one.row.feature}{f' ({counts})' * bool(counts)}"
        )
        lines += [
            f"      {came}: {proof.sentence} ({proof.file})"
            for proof, came in one.missing
            if one.standing is not Standing.NOT_RUN
        ]
    sums = Counter(one.standing for one in shown)
    lines += ["", ", ".join(f"{sums[each]} {each}" for each in Standing if sums[each])]
    return "\n".join(lines)


def as_json(run: Run, shown: Sequence[Shown]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "began_at": run.began_at,
        "commit": run.commit,
        "whole": run.is_whole,
        "rows": {
            one.row.name: {
                "standing": one.standing.value,
                "tests": {came.value: count for came, count in one.counts.items()},
                "missing": {f"{p.file}::{p.test}": came.value for p, came in one.missing},
            }
            for one in shown
        },
    }

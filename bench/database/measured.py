"""Programs run to their end: what they said, how long they took, and how much memory at most."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from tests.conftest import ROOT

#: Runs a program, writes the most memory it had (kilobytes on Linux), and ends as it ended.
_BETWEEN: Final = """
import os, sys
pid = os.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One program: its exit status, output, errors, seconds, and most resident memory in MB."""

    status: int
    out: str
    err: str
    seconds: float
    rss_mb: int


def at(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``ordered``, of which there is one at least, do not pass."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run ``words`` in the clone and wait.

    Between us and the program stands a small one: a child inherits the mark of its parent's memory
    until it is another program (getrusage(2)), and ours would hide that of the smaller ones.
    """
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.NamedTemporaryFile("r+") as told,
    ):
        began = perf_counter()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _BETWEEN, told.name, *words],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=err,
            check=False,
        )
        seconds = perf_counter() - began
        out.seek(0)
        err.seek(0)
        rss_kb = int(told.read())
        return Run(done.returncode, out.read(), err.read(), round(seconds, 2), rss_kb // 1024)


def python(*words: str, environment: Mapping[str, str] | None = None) -> Run:
    """The same for a Python program of ours."""
    return run([sys.executable, *words], environment)

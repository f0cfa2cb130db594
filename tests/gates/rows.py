"""After all gates: whether each row that was once proven was shown in this very run."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from casino import conformance, conformance_run
from tests.gates import tools
from tests.gates.outcome import Outcome

NAME = "rows that were proven are shown"


def lacks() -> dict[str, tuple[str, ...]]:
    """What this machine lacks, in the words of the skips, and whose tests are then not run."""
    found: dict[str, tuple[str, ...]] = {}
    if why := tools.why_no_chromium():
        found[why] = ("tests/browser/",)
    if why := tools.why_no_axe():
        found[why] = ()
    for program, why in {
        "node": "node is not installed",
        "hledger": "Debian's hledger is not installed",
    }.items():
        if shutil.which(program) is None:
            found[why] = ()
    if why := tools.why_no_history():
        found[why] = ()
    return found


def outcome(record: Path = conformance_run.LAST_RUN) -> Outcome:
    """Reads the record of the run; milliseconds."""
    began = time.monotonic()
    try:
        run = conformance_run.read(record)
    except (conformance_run.BadRecord, OSError) as wrong:
        problems = [f"no record of the run: {wrong}"]
    else:
        problems = conformance_run.not_shown(conformance.kept(), conformance.proofs(), run, lacks())
    if problems:
        sys.stdout.write(f"--- {NAME}\n" + "".join(f"{one}\n" for one in problems))
    seconds = time.monotonic() - began
    return Outcome(NAME, not problems, seconds, summary=f"{len(problems)} not shown")

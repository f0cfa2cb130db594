"""After all gates: whether each row that was once proven was shown in this very run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from casino import conformance, conformance_run
from tests.gates import tools
from tests.gates.outcome import Outcome

NAME = "rows that were proven are shown"


#: Why tests are skipped, and whose tests are then not even begun. No test may be skipped for
#: anything else (tests/conformance/test_skips_are_named.py), and the words stand there alone.
REASONS: dict[Callable[[], str], tuple[str, ...]] = {
    tools.why_no_chromium: ("tests/browser/",),
    tools.why_no_axe: (),
    tools.why_no_node: (),
    tools.why_no_hledger: (),
    tools.why_no_history: (),
}


def lacks() -> dict[str, tuple[str, ...]]:
    """What this machine lacks, in the words of the skips, and whose tests are then not run."""
    return {why: not_begun for ask, not_begun in REASONS.items() if (why := ask())}


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

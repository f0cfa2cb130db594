"""`bin/test`: install what the suite needs, run every gate, print the table, exit 0 or 1.

`bin/test ruff pytest` runs only the gates whose names begin so. What became of each test is kept
for `manage.py conformance --run`; after all gates, a test of a row that was once proven fails the
whole where it was skipped or not run, unless for something that this machine is named to lack.
"""

from __future__ import annotations

import os
import sys

from tests.gates import recording, rows, tools
from tests.gates.gates import GATES
from tests.gates.outcome import Outcome, run
from tests.gates.table import print_table


def main(wanted: list[str]) -> int:
    skipped = tools.install()
    chosen = [
        gate for gate in GATES if not wanted or any(gate.name.startswith(word) for word in wanted)
    ]
    if any("pytest" in gate.command() for gate in chosen):
        os.environ.update(recording.begin())
    outcomes: list[Outcome] = [run(gate) for gate in chosen]
    if not wanted:  # a part of the gates shows a part of the rows
        outcomes.append(rows.outcome())
    print_table(outcomes, skipped)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

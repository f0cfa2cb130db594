"""`bin/test`: install what the suite needs, run every gate, print the table, exit 0 or 1.

`bin/test ruff pytest` runs only the gates whose names begin so.
"""

from __future__ import annotations

import sys

from tests.gates import tools
from tests.gates.gates import GATES
from tests.gates.outcome import Outcome, run
from tests.gates.table import print_table


def main(wanted: list[str]) -> int:
    skipped = tools.install()
    outcomes: list[Outcome] = []
    for gate in GATES:
        if wanted and not any(gate.name.startswith(word) for word in wanted):
            continue
        outcomes.append(run(gate))
    print_table(outcomes, skipped)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The last lines of `bin/test`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.gates.outcome import Outcome


def print_table(outcomes: Sequence[Outcome], skipped_tools: Sequence[str]) -> None:
    """Each gate with its seconds; everything that was skipped, named and counted."""
    write = sys.stdout.write
    write("\n")
    skipped = [f"tool: {tool}" for tool in skipped_tools]
    for outcome in outcomes:
        if outcome.skipped_because:
            word = "skipped"
            skipped.append(f"gate: {outcome.name}: {outcome.skipped_because}")
        else:
            word = "ok" if outcome.passed else "FAILED"
        skipped += [f"test: {line}" for line in outcome.skips]
        write(f"  {outcome.name:<40} {word:<8} {outcome.seconds:7.1f} s\n")
    write(f"\n{len(skipped)} skipped\n")
    for line in skipped:
        write(f"  {line}\n")
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    for outcome in outcomes:
        if outcome.name == "tests":
            write(f"\npytest: {outcome.summary}\n")
    write(f"\n{'FAILED: ' + ', '.join(failed) if failed else 'all gates passed'}\n")

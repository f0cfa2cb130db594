"""The whole of ours in a process of its own: both files imported, a run, its finished report.

`python -m bench.reconciliation.ours SETTLEMENT STATEMENT OUT`. Bookings are left out: the peers
have none, and they are the ledger's speed, which has benchmarks of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import django


def main(settlement: str, statement: str, out: str) -> None:
    began = perf_counter()
    django.setup()
    from bench.reconciliation.books import AS_OF
    from kernel.ids import Actor
    from payments.files.arriving import PathArrival
    from payments.files.importing import Delivery, Way, take
    from payments.reconciliation import runs

    steps: dict[str, float] = {"start": round(perf_counter() - began, 2)}
    for name in (settlement, statement):
        path = Path(name)
        outcome = take(
            PathArrival(path), Delivery(path.name, Way.COMMAND), actor=Actor.system("bench")
        )
        if outcome.faults:
            raise SystemExit(str([one.as_json() for one in outcome.faults[:3]]))
        steps[f"import {path.suffix[1:]}"] = round(perf_counter() - began, 2)

    def tell(step: str, *_: int) -> None:
        steps[step] = round(perf_counter() - began, 2)

    done = runs.perform(as_of=AS_OF, is_booking=False, report_dir=Path(out), tell=tell)
    steps["end"] = round(perf_counter() - began, 2)
    sys.stdout.write(
        json.dumps(
            {
                "lines": str(done.lines),
                "steps": steps,
                "drift": sum(abs(one.drift_minor) for one in done.header.positions),
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

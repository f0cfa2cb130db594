"""`bin/bench settle [--runs 5] [--bets 10000] [--many 100000]`: paying a round whose bets all win.

The real way: bets through the gate, a wheel that signs its number, and the settlement of the game
runner, with triggers and permits on and every commit on the disk. ``seconds`` are from the official
result to the settled round (median of the runs); the books are checked afterwards. ``rss_growth``
is what this process grew by while the largest round was paid.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from bench.database.fresh import fresh_database, settings_that_count

# isort: split
from django.db import connection

from kernel.ids import PlayerId, new_id
from ledger.checks import run_checks
from tables.bets.betting import BATCH_MAX, place_batch
from tables.bets.slips import PlaceBets, place_bets
from tables.models import Round
from tables.play import settlement
from tables.play.rounds import advance
from tables.rules import roulette
from tests import house

TABLE: Final = "alexandria"
NUMBER: Final = 17
STAKE_MINOR: Final = 100
#: Winning positions in one slip: a divisor of both sizes.
POSITIONS: Final = 10
PLAYERS: Final = 200
TARGETS: Final = {"seconds_10k": 0.5, "seconds_100k": 5.0, "rss_growth_mb": 300}


@dataclass(frozen=True, slots=True)
class Paid:
    """One round: its bets, the seconds from official to settled, and the memory that took."""

    bets: int
    seconds: float
    rss_growth_mb: int
    paid_minor: int


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench settle", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="rounds of each size")
    parser.add_argument("--bets", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000, help="0 leaves the large round out")
    given = parser.parse_args(words)
    with fresh_database():
        pit = house.pit(intermission_ms=0)
        people = [house.player(balance_minor=100_000_000) for _ in range(PLAYERS)]
        few = [_paid(pit, people, given.bets) for _ in range(given.runs)]
        many = [_paid(pit, people, given.many) for _ in range(given.runs)] if given.many else []
        report = run_checks()
        result = _result(few, many) | {
            "violations": len(report.violations),
            "transfers": report.counts["transfer"],
            "postgres": settings_that_count(),
        }
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["missed"] or report.violations else 0


def _result(few: Sequence[Paid], many: Sequence[Paid]) -> dict[str, Any]:
    rounds = {"seconds_10k": few, "seconds_100k": many}
    figures: dict[str, float] = {
        name: round(statistics.median(one.seconds for one in paid), 3)
        for name, paid in rounds.items()
        if paid
    }
    figures["rss_growth_mb"] = max(one.rss_growth_mb for one in [*few, *many])
    return {
        **figures,
        "runs": [asdict(one) for one in [*few, *many]],
        "n": len(few),
        "missed": [name for name, found in figures.items() if found > TARGETS[name]],
    }


def _paid(pit: house.Pit, people: Sequence[PlayerId], bets: int) -> Paid:
    """Play a round with so many bets on winning positions until it is official, and pay it."""
    round_ = pit.open_round()
    for batch in _batches(people, bets, round_.number):
        answers = place_batch(TABLE, batch)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
    official = _made_official(pit)
    before, started = _rss_mb(), perf_counter()
    settlement.settle(official.id)
    seconds = perf_counter() - started
    official.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(returned_minor) FROM tables_bet_outcome WHERE round_id = %s",
            [official.id],
        )
        paid, minor = cursor.fetchone()
    if official.phase != "settled" or paid != bets:
        raise SystemExit(f"bin/bench settle: {paid} of {bets} bets paid, {official.phase}")
    sys.stderr.write(f"{bets} bets: {seconds:.2f} s\n")
    return Paid(bets, round(seconds, 3), _rss_peak_mb() - before, int(minor))


def _batches(people: Sequence[PlayerId], bets: int, number: int) -> Iterator[list[PlaceBets]]:
    rules = roulette.ruleset("european")
    winning = [
        position.code
        for position in roulette.ALL_POSITIONS
        if roulette.payout(rules, position, STAKE_MINOR, NUMBER) > 0
    ][:POSITIONS]
    stakes = [(code, STAKE_MINOR) for code in winning]
    slips = [
        place_bets(
            people[i % len(people)],
            TABLE,
            key=new_id().hex,
            currency="EUR",
            stakes=stakes,
            round_number=number,
        )
        for i in range(bets // len(stakes))
    ]
    for first in range(0, len(slips), BATCH_MAX):
        yield slips[first : first + BATCH_MAX]


def _made_official(pit: house.Pit) -> Round:
    """The wheel and the presenter agree; the runner's next act would be to settle."""
    pit.close_betting()
    pit.result(NUMBER)
    pit.confirm(NUMBER)
    if pit.lease is None:
        raise SystemExit("bin/bench settle: the table has no runner")
    pit.heartbeat()
    for _ in range(20):
        round_ = pit.round()
        if round_.phase == "official":
            return round_
        advance(pit.lease)
    raise SystemExit(f"bin/bench settle: the round stays {pit.round().phase}")


def _rss_mb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def _rss_peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`bin/bench gate [--batches N] [--players 1000] [--steps N] [--long]`: the gate's part of a batch.

A batch of 1,000 bets of 1,000 players with three limits each, on a PostgreSQL that syncs to the
disk: the processor time of Python and of the server that the gate takes in it (locks, standing,
sessions, limits, decisions, permits) beyond the same transaction without it. Players have a month
of sums and bets that no sum holds yet. ``queries_per_batch`` for 10 players and for all of them.

Then players bet, deposit, win, set limits and let time pass, at random and from several
connections, and an oracle that knows the rules alone says what may have happened: ``breaches``.
``--long``: a million operations.

``cpu_us_per_bet`` aims at 10. Exit code 1 when statements grow with the players or something was
allowed that should not have been.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from time import process_time
from typing import Any, Final

from bench.database.fresh import CLUSTER, fresh_database, settings_that_count

# isort: split
import psycopg
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.database_clock import database_now
from bench.database.cpu import server_cpu_s
from compliance import gate
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from tests import conftest, house
from tests.simulation import limit_oracle

TARGET_US: Final = 10
FEW: Final = 10
SCOPES: Final = ("table:alexandria", "game:roulette")
#: Limits that are never reached: three for each player.
_LIMITS: Final = """
INSERT INTO compliance_limit
    (player_id, currency, kind, period, amount_minor, needs_confirmation, set_at)
SELECT p, 'EUR', kind, period, 1000000000, false, date_trunc('hour', now())
FROM unnest(%s::bigint[]) p,
    (VALUES ('loss', 'day'), ('loss', 'month'), ('wager', 'week')) AS l (kind, period)
"""
_DAYS: Final = """
INSERT INTO compliance_daytotal (player_id, currency, day, staked_minor, returned_minor,
    paid_out_minor, deposited_minor, withdrawn_minor)
SELECT p, 'EUR', current_date - d, 5000, 100, 4000, 0, 0
FROM generate_series(0, 30) d, unnest(%s::bigint[]) p
"""
_WINDOWS: Final = """
INSERT INTO compliance_windowtotal (player_id, currency, day, week, month, day_wager_minor,
    day_paid_minor, week_wager_minor, week_paid_minor, month_wager_minor, month_paid_minor)
SELECT p, 'EUR', current_date, date_trunc('week', current_date), date_trunc('month', current_date),
    4900, 4000, 19600, 16000, 98000, 80000
FROM unnest(%s::bigint[]) p
"""
#: What was staked since the sums were last made: a bet every few seconds.
_FRESH: Final = """
INSERT INTO compliance_freshfact (player_id, currency, kind, amount_minor, at)
SELECT p, 'EUR', 'staked', 100, now() FROM generate_series(1, 3), unnest(%s::bigint[]) p
"""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench gate", description=__doc__)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--players", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=2_000, help="operations under the oracle")
    parser.add_argument("--long", action="store_true", help="a million of them")
    given = parser.parse_args(words)
    with fresh_database() as database:
        people = _people(database, given.players)
        result = _measured(people, given.batches)
        result |= _watched(1_000_000 if given.long else given.steps)
        result["postgres"] = settings_that_count()
    result["missed"] = ["cpu_us_per_bet"] if result["cpu_us_per_bet"] > TARGET_US else []
    sys.stdout.write(json.dumps(result) + "\n")
    few, many = result["queries_per_batch"]
    return 1 if few != many or result["breaches"] else 0


def _people(database: conftest.Database, count: int) -> list[PlayerId]:
    sys.stderr.write(f"registering {count} players\n")
    people = [house.player() for _ in range(count)]
    with connection.cursor() as cursor:
        for sql in (_LIMITS, _DAYS, _WINDOWS, _FRESH):
            cursor.execute(sql, [people])
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
    return people


def _measured(people: Sequence[PlayerId], batches: int) -> dict[str, Any]:
    if CLUSTER.pid is None:
        raise SystemExit("bin/bench gate: PostgreSQL does not run")
    _batch(people, with_gate=True)  # sessions begin
    queries = [_queries(people[:FEW]), _queries(people)]
    spent: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for _ in range(batches):
        for with_gate in (True, False):
            own, server = process_time(), server_cpu_s(CLUSTER.pid)
            for _again in range(10):  # the server's time is counted in hundredths of a second
                _batch(people, with_gate=with_gate)
            spent[with_gate].append((process_time() - own, server_cpu_s(CLUSTER.pid) - server))
    bets = len(people) * 10
    python, server = (
        (sum(one[part] for one in spent[True]) - sum(one[part] for one in spent[False]))
        / batches / bets * 1e6
        for part in (0, 1)
    )  # fmt: skip
    runs = [
        (sum(with_) - sum(without)) / bets * 1e6
        for with_, without in zip(spent[True], spent[False], strict=True)
    ]
    return {
        "cpu_us_per_bet": round(python + server, 1),
        "python_us": round(python, 1),
        "server_us": round(server, 1),
        "median_us": round(statistics.median(runs), 1),
        "queries_per_batch": queries,
        "players": len(people),
        "limits_each": 3,
        "bets": batches * bets,
    }


def _batch(people: Sequence[PlayerId], *, with_gate: bool) -> None:
    """One transaction; without the gate it has the questions and the clock, and asks nobody."""
    with transaction.atomic():
        now = database_now()
        asked = [
            gate.GateRequest(new_id(), player, gate.Purpose.BET, Money(100, "EUR"), SCOPES)
            for player in people
        ]
        if with_gate:
            answers = gate.decide(asked, now=now)
            if not all(answer.allowed for answer in answers):
                raise SystemExit(f"bin/bench gate: refused: {answers[0]}")


def _queries(people: Sequence[PlayerId]) -> int:
    with CaptureQueriesContext(connection) as caught:
        _batch(people, with_gate=True)
    return len([one for one in caught if "SAVEPOINT" not in one["sql"]])


def _watched(steps: int) -> dict[str, Any]:
    sys.stderr.write(f"{steps} operations under the oracle\n")
    found = limit_oracle.run(steps=steps, players=20, workers=2)
    return {
        "breaches": len(found.breaches),
        "first_breaches": found.breaches[:5],
        "operations": found.operations,
        "bets_allowed": found.allowed,
        "bets_refused": found.refused,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

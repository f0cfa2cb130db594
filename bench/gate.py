"""`bin/bench gate [--batches N] [--players 1000] [--operations N] [--long] [--self-test]`.

A batch of 1,000 bets of 1,000 players with three limits each, on a PostgreSQL that syncs to the
disk: the processor time of Python and of the server that the gate takes in it (locks, standing,
sessions, limits, decisions, permits) beyond the same transaction without it. Players have a month
of sums and bets that no sum holds yet. ``queries_per_batch`` for 10 players and for all of them.

Then processes bet through the intake for players who exclude themselves in the midst of it:
``bets_after_exclusion``, and ``socket_cut_s`` from the commit to the end of their open pages.

Then players bet, pay in, win, withdraw, set limits, exclude themselves, come back and let time
pass, by chance and from several processes, and an oracle that knows the rules alone judges the
rows that were committed: ``breaches``. ``--long``: a million operations.

The processes ask the gate as the paths of money do and tell it what came of it, without a table, a
provider or a posting: what is judged are the gate's answers, its rows, its permits and its sums.

``--self-test`` runs once without a fault, which must find nothing, then puts one fault after
another into the gate, and says of each how often it was found by the breach that is its own.

``cpu_us_per_bet`` aims at 10. Exit code 1 when statements grow with the players, something was
allowed that should not have been, a bet came after its exclusion, a socket lived longer than a
second, or a fault was not found.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter, process_time
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
from tests import conftest, house, sockets
from tests.simulation import excluding, gate_faults, gate_world

TARGET_US: Final = 10
FEW: Final = 10
#: How long an open page may outlive its player's exclusion, in seconds.
CUT_MAX_S: Final = 1.0
#: Players who exclude themselves, and how many of them have two pages open.
EXCLUDED, WITH_PAGES = 40, 12
#: Operations in which a fault has to be found. The same few players meet all the time.
OF_A_FAULT: Final = 8_000
TRIES: Final = 5
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
    given = _given(words)
    with fresh_database() as database:
        result = _self_tested(database) if given.self_test else _all_measured(database, given)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["failed"] else 0


def _given(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench gate", description=__doc__)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--players", type=int, default=1_000)
    parser.add_argument("--operations", type=int, default=20_000, help="under the oracle")
    parser.add_argument("--long", action="store_true", help="a million of them")
    parser.add_argument("--self-test", action="store_true", help="faults that must be found")
    given = parser.parse_args(words)
    given.operations = 1_000_000 if given.long else given.operations
    return given


def _all_measured(database: conftest.Database, given: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if given.batches:
        result |= _measured(_people(database, given.players), given.batches)
    result |= _excluded(database)
    result |= _watched(database, given.operations)
    result["postgres"] = settings_that_count()
    result["missed"] = ["cpu_us_per_bet"] if result.get("cpu_us_per_bet", 0) > TARGET_US else []
    few, many = result.get("queries_per_batch", (0, 0))
    wrong = {
        "queries_per_batch": few != many,
        "bets_after_exclusion": result["bets_after_exclusion"] != 0,
        "socket_cut_s": result["socket_cut_s"] > CUT_MAX_S,
        "breaches": result["breaches"] != 0,
    }
    return result | {"failed": [name for name, is_wrong in wrong.items() if is_wrong]}


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


def _excluded(database: conftest.Database, *, fault: str = "") -> dict[str, Any]:
    """Players exclude themselves while processes bet for them; some have two pages open."""
    sys.stderr.write(f"{EXCLUDED} exclusions among bets\n")
    pit = house.pit()
    pit.open_round()
    people = [house.player(balance_minor=10_000_000) for _ in range(EXCLUDED)]
    excluding.begin_sessions(people)
    seated = [] if fault else people[:WITH_PAGES]
    found = excluding.Excluded()
    with (
        excluding.writers(pit.table.id, people, fault=fault) as at_work,
        tempfile.TemporaryDirectory() as logs,
        ExitStack() as open_pages,
    ):
        if seated:
            open_pages.enter_context(sockets.relaying())
            web = open_pages.enter_context(sockets.web(database, Path(logs) / "web.log"))
            for player in seated:
                at_work.have_bet(20)
                who = sockets.browser(player)
                pages = [open_pages.enter_context(sockets.page(web, who)) for _ in range(2)]
                for page in pages:
                    page.next("snapshot")
                excluding.exclude(player, found, pages)
        for player in people[len(seated) :]:
            at_work.have_bet(20)
            excluding.exclude(player, found)
        bets, refused = at_work.bets.value, at_work.refused.value
    if not fault and (len(found.cut_s) != 2 * WITH_PAGES or set(found.told) != {"excluded"}):
        raise SystemExit(f"bin/bench gate: sockets ended otherwise: {found.told}")
    return {
        "bets_after_exclusion": found.bets_after(),
        "socket_cut_s": round(max(found.cut_s, default=0.0), 3),
        "socket_cut_median_s": round(statistics.median(found.cut_s or [0.0]), 3),
        "sockets_cut": len(found.cut_s),
        "exclusions": len(found.before),
        "bets_meanwhile": bets,
        "bets_refused_meanwhile": refused,
    }


def _watched(
    database: conftest.Database, operations: int, fault: str = "", **options: Any
) -> dict[str, Any]:
    sys.stderr.write(f"{operations} operations under the oracle\n")
    began, spent_s = perf_counter(), _all_cpu_s()
    found = gate_world.run(
        owner_url=database.owner_url, operations=operations, fault=fault, **options
    )
    seconds, spent_s = perf_counter() - began, _all_cpu_s() - spent_s
    return {
        "breaches": len(found.breaches),
        "first_breaches": found.breaches[:5],
        "of_this_fault": len(gate_faults.found_in(fault, found.breaches)) if fault else 0,
        "operations": found.operations,
        "operations_per_s": round(found.operations / seconds),
        "operations_cpu_us": round(spent_s / found.operations * 1e6),
        "answers_judged": found.judged,
        "allowed": found.allowed,
        "refused": found.refused,
        "conflicts": found.conflicts,
        "kinds": dict(found.kinds.most_common()),
    }


def _all_cpu_s() -> float:
    """Processor seconds of this process, of those that it has waited for, and of the server."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = 0.0 if CLUSTER.pid is None else server_cpu_s(CLUSTER.pid)
    return process_time() + ended.ru_utime + ended.ru_stime + server


def _self_tested(database: conftest.Database) -> dict[str, Any]:
    """None first, then each fault: what it does must come to light, or the figures say nothing."""
    sys.stderr.write("without a fault: ")
    clean = _watched(database, OF_A_FAULT, players=4)
    if clean["breaches"]:
        return {"found": {}, "failed": ["without_a_fault"], "breaches": clean["first_breaches"]}
    found: dict[str, int] = {}
    for fault in gate_faults.FAULTS:
        sys.stderr.write(f"with {fault}: ")
        players = 4 if fault == "no_lock" else 8
        for _try in range(TRIES):  # some need half a year to pass, which is left to chance
            told = _watched(database, OF_A_FAULT, fault=fault, players=players)
            found[fault] = told["of_this_fault"]
            if found[fault]:
                break
    sys.stderr.write("without a lock: ")
    found["bets_after_exclusion"] = _excluded(database, fault="no_lock")["bets_after_exclusion"]
    return {
        "found": found,
        "failed": [fault for fault, breaches in found.items() if not breaches],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`bin/bench ledger [--runs 5] [--seconds 6] [--scale 50]`: the ledger beside others, in turns.

In every run one after the other, on one PostgreSQL that syncs to the disk: pgbench's TPC-B with 8
clients; batches of 1,000 stakes with entries and a permit for each, from two processes; the same
without permits and with the ledger's triggers off, to see what enforcement costs;
django-hordak's ``transfer_to`` from 8 processes; 100 players at one table through the intake, in a
round of its own; and the same bets written naively over 32 connections. Medians over the runs; the
books are checked and sealed afterwards. Exit code 1 when a figure misses its target.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from bench.database.fresh import ADDRESS, CLUSTER, fresh_database, settings_that_count

# isort: split
from audit.seals import seal
from bench.database.cpu import server_cpu_s
from bench.peers import hordak, naive, tpcb
from bench.posting import accounts, batches, hot_table
from bench.posting.batches import Rate
from kernel.ids import AccountId, PlayerId
from ledger import sealed_sources
from ledger.checks import run_checks
from tests import conftest, house

TABLE: Final = "alexandria"
NUMBER: Final = 7
PLAYERS: Final = 10_000
HOT_PLAYERS: Final = 100
LEAST: Final = {"ratio_tpcb": 6, "ratio_hordak": 30, "ratio_naive": 20}
MOST: Final = {
    "cpu_vs_tpcb": 0.125,
    "p99_ms": 25,
    "enforcement_cpu_share": 0.25,
    "bytes_per_transfer": 450,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one run measured."""

    tpcb: Rate
    batch: Rate
    bare: Rate
    bare_bytes: int
    hordak: Rate
    hot: Rate
    waits_ms: list[float]
    naive: Rate


@dataclass(frozen=True, slots=True)
class World:
    """What every run needs: the accounts, the table, and the server's process."""

    cash: list[AccountId]
    pit: house.Pit
    people: list[PlayerId]
    naive_url: str
    owner_url: str
    postmaster: int
    seconds: int


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench ledger", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="of each measurement")
    parser.add_argument("--scale", type=int, default=50, help="of pgbench")
    given = parser.parse_args(words)
    with fresh_database() as database:
        world = _world(database, given.seconds, given.scale)
        size_before = accounts.ledger_bytes()
        transfers_before = run_checks().counts["transfer"]
        turns = [_turn(world) for _ in range(given.runs)]
        seal = _sealing(world.postmaster)
        report = run_checks()
        enforced = report.counts["transfer"] - transfers_before - sum(t.bare.done for t in turns)
        size = accounts.ledger_bytes() - size_before - sum(t.bare_bytes for t in turns)
        result = _figures(turns) | {
            "bytes_per_transfer": round(size / enforced),
            "sealing_cpu_us": round(seal.cpu_us, 1),
            "transfers": report.counts["transfer"],
            "violations": len(report.violations),
        }
        result |= _enforcement(turns, seal) | {
            "n": len(turns),
            "postgres": settings_that_count(),
        }
    result["missed"] = _missed(result)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["missed"] or result["violations"] else 0


def _world(database: conftest.Database, seconds: int, scale: int) -> World:
    if CLUSTER.pid is None:
        raise SystemExit("bin/bench ledger: PostgreSQL does not run")
    sys.stderr.write("making the other databases\n")
    tpcb.prepare(ADDRESS, scale)
    hordak.prepare(ADDRESS)
    naive_url = ADDRESS.url("postgres", "bench_naive")
    with psycopg.connect(ADDRESS.url("postgres", "postgres"), autocommit=True) as db:
        db.execute("CREATE DATABASE bench_naive")
    naive.prepare(naive_url)
    pit = house.pit(intermission_ms=0)
    people = [house.player(balance_minor=100_000_000) for _ in range(HOT_PLAYERS)]
    cash = accounts.players(PLAYERS, 1_000_000)
    return World(cash, pit, people, naive_url, database.owner_url, CLUSTER.pid, seconds)


def _turn(world: World) -> Turn:
    seconds, postmaster = world.seconds, world.postmaster
    beside = tpcb.measure(ADDRESS, seconds=seconds, postmaster=postmaster)
    batch = batches.measure(world.cash, seconds=seconds, postmaster=postmaster)
    size = accounts.ledger_bytes()
    bare = _bare(world)
    bare_bytes = accounts.ledger_bytes() - size
    other = hordak.measure(ADDRESS, seconds=seconds, postmaster=postmaster)
    round_ = world.pit.open_round()
    hot, waits = hot_table.measure(
        TABLE,
        world.people,
        round_number=round_.number,
        seconds=seconds,
        postmaster=postmaster,
    )
    world.pit.play(NUMBER)
    plain = naive.measure(world.naive_url, seconds=seconds, postmaster=postmaster)
    sys.stderr.write(
        f"per second: tpcb {beside.per_second:.0f}, batches {batch.per_second:.0f},"
        f" hordak {other.per_second:.0f}, hot table {hot.per_second:.0f},"
        f" naive {plain.per_second:.0f}\n"
    )
    return Turn(beside, batch, bare, bare_bytes, other, hot, waits, plain)


def _figures(turns: Sequence[Turn]) -> dict[str, Any]:
    def median(values: Sequence[float], digits: int = 2) -> float:
        return round(statistics.median(values), digits)

    return {
        "cpu_vs_tpcb": median([t.batch.cpu_us / t.tpcb.cpu_us for t in turns], 3),
        "ratio_tpcb": median([t.batch.per_second / t.tpcb.per_second for t in turns]),
        "ratio_hordak": median([t.batch.per_second / t.hordak.per_second for t in turns]),
        "ratio_naive": median([t.hot.per_second / t.naive.per_second for t in turns]),
        "p99_ms": median([statistics.quantiles(t.waits_ms, n=100)[98] for t in turns]),
        "batch_per_s": median([t.batch.per_second for t in turns], 0),
        "batch_cpu_us": median([t.batch.cpu_us for t in turns], 1),
        "tpcb_per_s": median([t.tpcb.per_second for t in turns], 0),
        "tpcb_cpu_us": median([t.tpcb.cpu_us for t in turns], 1),
        "hordak_per_s": median([t.hordak.per_second for t in turns], 0),
        "hot_per_s": median([t.hot.per_second for t in turns], 0),
        "naive_per_s": median([t.naive.per_second for t in turns], 0),
    }


def _sealing(postmaster: int) -> Rate:
    """Seal what the runs posted: the time of the server and of this process, per transfer."""
    transfers = run_checks().counts["transfer"]
    own, server = process_time(), server_cpu_s(postmaster)
    while seal(sealed_sources.BATCHES):
        pass
    spent = process_time() - own + server_cpu_s(postmaster) - server
    return Rate(transfers, 1.0, spent)


def _bare(world: World) -> Rate:
    """The same batches without permits, with every trigger of the ledger switched off meanwhile."""
    try:
        _switch_triggers(world.owner_url, "DISABLE")
        return batches.measure(
            world.cash, seconds=world.seconds, postmaster=world.postmaster, bare=True
        )
    finally:
        _switch_triggers(world.owner_url, "ENABLE")


def _switch_triggers(owner_url: str, word: Literal["ENABLE", "DISABLE"]) -> None:
    with psycopg.connect(owner_url, autocommit=True) as owner:
        for table in ("account", "batch", "transfer", "transfer_id"):
            owner.execute(
                sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(
                    sql.Identifier(f"ledger_{table}"), sql.SQL(word)
                )
            )


def _enforcement(turns: Sequence[Turn], seal: Rate) -> dict[str, float]:
    """What permits, triggers and seals are of a transfer's cost: the median over the turns."""
    shares = [1 - turn.bare.cpu_us / (turn.batch.cpu_us + seal.cpu_us) for turn in turns]
    return {
        "enforcement_cpu_share": round(statistics.median(shares), 3),
        "bare_cpu_us": round(statistics.median(turn.bare.cpu_us for turn in turns), 1),
    }


def _missed(result: dict[str, Any]) -> list[str]:
    return [name for name, least in LEAST.items() if result[name] < least] + [
        name for name, most in MOST.items() if result[name] > most
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

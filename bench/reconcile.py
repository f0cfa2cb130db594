"""`bin/bench reconcile [--rows 1000000] [--runs 3]`: a provider's month, to the finished report.

``rows`` operations in PostgreSQL, in the ledger's own tables, and as many rows in a settlement
file, with breaks of each kind planted; a bank's statement with their payouts. Ours imports both
files and reconciles; beside it, in the same run and in turns, two scripts written by hand over
DuckDB and over pandas find the same classes from the same sources. Each is a process of its own,
from its start to the end of its report; seconds are medians. ``missed`` and ``false`` compare what
ours found with what was planted, by kind and reference. Bookings are left out on all sides. Exit
code 1 where anything is missed or false, a kind is not planted, or a goal is missed
(`bench.verdicts`).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.database.fresh import HOME, fresh_database, settings_that_count

# isort: split
import psycopg

from bench import verdicts
from bench.database.measured import Run, run
from bench.peers import pandas
from bench.reconciliation import books
from bench.reconciliation.books import Month
from tests import conftest

DUCKDB: Final = Path(pandas.__file__).with_name("reconcile_duckdb.py")
#: Turns begin with one side and with the other.
ORDERS: Final = (("ours", "duckdb", "pandas"), ("pandas", "duckdb", "ours"))
#: What a run leaves, so that the next finds nothing: tables that nobody else may empty.
LEFT: Final = (
    *("payments_source_file", "payments_bank_statement", "payments_reconciliation_run"),
    *("payments_reconciliation_attempt", "payments_reconciliation_break"),
    *("payments_reconciliation_break_event", "payments_reconciliation_resolution"),
    *("payments_reconciliation_decision", "audit_event"),
)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench reconcile", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args(words)
    pandas_python = pandas.python()
    with fresh_database() as database:
        folder = HOME / "reconcile"
        folder.mkdir()
        sys.stderr.write(f"making {given.rows} rows …\n")
        month = books.make(database.owner_url, folder, given.rows)
        peers = [str(month.settlement), str(month.statement)]
        programs = {
            # -P: their folder has a pandas of its own, which is not the one that is meant.
            "duckdb": [sys.executable, "-P", str(DUCKDB), database.owner_url, *peers],
            "pandas": [str(pandas_python), "-P", str(pandas.PROGRAM), database.owner_url, *peers],
        }
        figures: dict[str, list[Run]] = {"ours": [], "duckdb": [], "pandas": []}
        told: list[dict[str, Any]] = []
        for turn in range(given.runs):
            for name in ORDERS[turn % 2]:
                out = folder / f"{name}-{turn}"
                if name == "ours":
                    done = _ours(database, month, out)
                    said = json.loads(done.out.splitlines()[-1])
                    told.append(said | {"found": _found(Path(said["lines"]))})
                else:
                    done = _done(name, run([*programs[name], str(out)]))
                figures[name].append(done)
                sys.stderr.write(f"{name}: {done.seconds} s, {done.rss_mb} MB\n")
        result = _result(month, figures, told, folder, given.runs)
    wrong = verdicts.reconcile(result)
    sys.stdout.write(json.dumps(result | {"wrong": wrong}) + "\n")
    return 1 if wrong else 0


def _ours(database: conftest.Database, month: Month, out: Path) -> Run:
    """The files and rows of the run before are gone: this one finds what the first found."""
    with psycopg.connect(conftest.SUPER_URL.rpartition("/")[0] + f"/{database.name}") as db:
        db.execute("SET session_replication_role = replica")
        db.execute(f"TRUNCATE {', '.join(LEFT)} CASCADE")
    state = HOME / "state"
    shutil.rmtree(state, ignore_errors=True)
    environment = os.environ | database.environment()
    environment |= {
        "RECONCILIATION_DIR": str(state),
        "RECONCILIATION_ACCOUNTS": json.dumps({books.ACCOUNT: books.BANK}),
    }
    words = [sys.executable, "-m", "bench.reconciliation.ours"]
    words += [str(month.settlement), str(month.statement), str(out)]
    return _done("ours", run(words, environment))


def _done(name: str, done: Run) -> Run:
    if done.status:
        raise SystemExit(f"bin/bench reconcile: {name} failed: {done.err.strip()[-800:]}")
    return done


def _result(
    month: Month,
    figures: dict[str, list[Run]],
    told: Sequence[dict[str, Any]],
    folder: Path,
    runs: int,
) -> dict[str, Any]:
    seconds = {
        name: round(statistics.median(one.seconds for one in done), 2)
        for name, done in figures.items()
    }
    every = [one["found"] for one in told]
    found = every[-1]
    counted = Counter(kind for kind, _ in month.planted.elements())
    ratios = {
        "ratio_duckdb": round(seconds["ours"] / seconds["duckdb"], 2),
        "ratio_pandas": round(seconds["ours"] / seconds["pandas"], 2),
        "peak_mb": max(one.rss_mb for one in figures["ours"]),
    }
    peers = {name: _found_by_peer(folder / f"{name}-{runs - 1}") for name in ("duckdb", "pandas")}
    return ratios | {
        "missed": max(sum((month.planted - one).values()) for one in every),
        "false": max(sum((one - month.planted).values()) for one in every),
        "drift": max(one["drift"] for one in told),
        "planted": sum(month.planted.values()),
        "kinds": {kind: counted[kind] for kind in books.KINDS},
        "false_first": sorted((found - month.planted).elements())[:5],
        "peers_false_first": {
            n: sorted((f - month.planted).elements())[:5] for n, f in peers.items()
        },
        "peers_missed": {n: sum((month.planted - f).values()) for n, f in peers.items()},
        "peers_false": {n: sum((f - month.planted).values()) for n, f in peers.items()},
        "seconds": {name: [one.seconds for one in done] for name, done in figures.items()},
        "rss_mb": {name: max(one.rss_mb for one in done) for name, done in figures.items()},
        "steps": told[-1]["steps"],
        "ledger_rows": month.ledger_rows,
        "psp_rows": month.psp_rows,
        "file_mb": month.settlement.stat().st_size // 1_000_000,
        "n": runs,
        "postgres": settings_that_count(),
    }


def _found(path: Path) -> Counter[tuple[str, str]]:
    with path.open(newline="") as file:
        return Counter(
            (
                row["category"],
                row["bank_amount"].replace(".", "").lstrip("0")
                if row["category"] == "unmatched_bank_line"
                else row["psp_ref"],
            )
            for row in csv.DictReader(file)
            if row["category"]
        )


def _found_by_peer(path: Path) -> Counter[tuple[str, str]]:
    with path.open(newline="") as file:
        return Counter((row["kind"], row["ref"]) for row in csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

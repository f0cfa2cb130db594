"""PostgreSQL's own measure: `pgbench`, TPC-B-like: three updates, a read and a new row."""

from __future__ import annotations

import os
import re
import subprocess
from time import perf_counter
from typing import Final

import psycopg

from bench.database.cpu import server_cpu_s
from bench.posting.batches import Rate
from casino.embedded.postgres import Address, binaries

DATABASE: Final = "bench_tpcb"


def prepare(address: Address, scale: int) -> None:
    """A database of pgbench's at ``scale`` (100,000 accounts each)."""
    with psycopg.connect(address.url("postgres", "postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {DATABASE}")
    _pgbench(address, "--initialize", "--quiet", f"--scale={scale}")


def measure(address: Address, *, seconds: int, postmaster: int, clients: int = 8) -> Rate:
    """Transactions of ``clients`` for ``seconds``."""
    before, started = server_cpu_s(postmaster), perf_counter()
    text = _pgbench(address, f"--client={clients}", "--jobs=2", f"--time={seconds}", "--no-vacuum")
    took = perf_counter() - started
    found = re.search(r"number of transactions actually processed: (\d+)", text)
    if found is None:
        raise SystemExit(
            f"bin/bench ledger: pgbench said nothing that we understand: {text[-300:]}"
        )
    return Rate(int(found[1]), took, server_cpu_s(postmaster) - before)


def _pgbench(address: Address, *words: str) -> str:
    done = subprocess.run(
        [str(binaries() / "pgbench"), *words, DATABASE],
        env=os.environ
        | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(address.port),
            "PGUSER": "postgres",
            "PGPASSWORD": address.password,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"bin/bench ledger: pgbench failed: {done.stderr.strip()[-300:]}")
    return done.stdout

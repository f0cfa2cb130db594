"""django-hordak in an environment of its own: made once, used by this benchmark only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import psycopg

from bench.database.cpu import server_cpu_s
from bench.peers import environment
from bench.posting.batches import Rate
from casino.embedded.postgres import Address

DATABASE: Final = "bench_hordak"
PROGRAM: Final = Path(__file__).resolve().with_name("hordak_program.py")


def prepare(address: Address) -> None:
    """Install it, make its database, migrate, open accounts; ``SystemExit`` when it cannot."""
    _python()
    with psycopg.connect(address.url("postgres", "postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {DATABASE}")
    _program(address, "prepare")


def measure(address: Address, *, seconds: int, postmaster: int) -> Rate:
    """`Account.transfer_to` between pairs of 200 accounts, in 8 processes, for ``seconds``."""
    before = server_cpu_s(postmaster)
    found = json.loads(_program(address, "measure", str(seconds)))
    return Rate(found["done"], found["seconds"], server_cpu_s(postmaster) - before)


def _python() -> Path:
    return environment.python("hordak")


def _program(address: Address, *words: str) -> str:
    url = address.url("postgres", DATABASE)
    # -P: this folder has a hordak of its own, which is not the one that the program means.
    return environment.run([str(_python()), "-P", str(PROGRAM), *words], {"HORDAK_DATABASE": url})

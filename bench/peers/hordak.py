"""django-hordak in an environment of its own: made once, used by this benchmark only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg

from bench.database.cpu import server_cpu_s
from bench.posting.batches import Rate
from casino.embedded.postgres import Address

DATABASE: Final = "bench_hordak"
_HERE: Final = Path(__file__).resolve().parent
#: With the rest of the state: beside our folders it would be something that Python can import.
HOME: Final = _HERE.parents[1] / "var" / "bench" / "hordak"
REQUIREMENTS: Final = _HERE / "hordak_requirements.txt"
PROGRAM: Final = _HERE / "hordak_program.py"


def prepare(address: Address) -> None:
    """Install it, make its database, migrate, open accounts; ``SystemExit`` when it cannot."""
    if not (HOME / "installed").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(HOME)])
        install = ["install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
        _run([str(_python()), "-m", "pip", *install])
        (HOME / "installed").touch()
    with psycopg.connect(address.url("postgres", "postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {DATABASE}")
    _program(address, "prepare")


def measure(address: Address, *, seconds: int, postmaster: int) -> Rate:
    """`Account.transfer_to` between pairs of 200 accounts, in 8 processes, for ``seconds``."""
    before = server_cpu_s(postmaster)
    found = json.loads(_program(address, "measure", str(seconds)))
    return Rate(found["done"], found["seconds"], server_cpu_s(postmaster) - before)


def _python() -> Path:
    return HOME / "bin" / "python"


def _program(address: Address, *words: str) -> str:
    url = address.url("postgres", DATABASE)
    # -P: this folder has a hordak of its own, which is not the one that the program means.
    return _run([str(_python()), "-P", str(PROGRAM), *words], {"HORDAK_DATABASE": url})


def _run(words: list[str], more: dict[str, str] | None = None) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTHON"))}
    done = subprocess.run(
        words, env=env | (more or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip()[-400:]
        raise SystemExit(f"bin/bench ledger: {' '.join(words[:4])} failed: {said}")
    return done.stdout

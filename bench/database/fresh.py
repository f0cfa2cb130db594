"""A database for a benchmark, on a PostgreSQL as `bin/up` starts one: on the disk, with fsync.

Import this before anything of Django's: it starts the server and names it to the tests' set-up,
whose own server lies in memory and does not wait for any disk.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from bench.database.cpu import children, is_running
from casino.embedded.postgres import Address, Cluster

HOME: Final = Path(tempfile.mkdtemp(prefix="faro-bench-"))


def _start() -> tuple[Cluster, Address]:
    HOME.chmod(0o755)  # PostgreSQL may run as another user
    atexit.register(shutil.rmtree, HOME, ignore_errors=True)
    cluster = Cluster(HOME / "postgres")
    address = cluster.start()
    atexit.register(cluster.stop)
    os.environ["FARO_TEST_POSTGRES"] = address.url("postgres", "postgres")
    return cluster, address


CLUSTER, ADDRESS = _start()

from tests import conftest  # noqa: E402  (reads the address above, and sets Django up)

# isort: split
from django.db import connections  # noqa: E402


@contextmanager
def fresh_database() -> Iterator[conftest.Database]:
    """A migrated database that Django's connection points to, as the application's role."""
    name = f"faro_b_{os.getpid()}"
    with psycopg.connect(conftest.SUPER_URL, autocommit=True) as db:
        conftest._ensure_roles(db)
        conftest._create(db, name)
    conftest._migrate(name, None)
    connections.settings["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name
    try:
        yield conftest.Database(name)
    finally:
        connections.close_all()


def kill_and_start() -> None:
    """SIGKILL for every process of the server, and its start; ``SystemExit`` where none runs."""
    if CLUSTER.pid is None:
        raise SystemExit("PostgreSQL does not run, so it cannot be killed")
    everybody = [CLUSTER.pid, *children(CLUSTER.pid)]
    for pid in everybody:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while CLUSTER.alive() or any(is_running(pid) for pid in everybody):
        time.sleep(0.01)
    CLUSTER.start()


def settings_that_count() -> dict[str, str]:
    """What a figure depends on, as the server says it."""
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    with psycopg.connect(conftest.SUPER_URL) as db:
        return {name: _setting(db, name) for name in names}


def _setting(db: psycopg.Connection, name: str) -> str:
    row = db.execute("SELECT current_setting(%s)", [name]).fetchone()
    return "" if row is None else str(row[0])

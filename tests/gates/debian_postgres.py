"""Debian's PostgreSQL 15, the oldest server Faro supports, in a private throw-away cluster.

As a pytest plugin (`-p tests.gates.debian_postgres`) the tests run on it. As a program
(`python -m tests.gates.debian_postgres`) `bin/up --check` runs on it, with real servers named in
the environment and nothing embedded. The machine's own clusters are left alone.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from casino.embedded import postgres, valkey
from tests import memory_disk

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path("/usr/lib/postgresql/15/bin")


def start() -> tuple[postgres.Address, str]:
    """A running PostgreSQL 15 and the URL of a Valkey; both end with this process."""
    home = Path(tempfile.mkdtemp(prefix="faro-test-15-", dir=memory_disk.directory()))
    home.chmod(0o755)  # PostgreSQL may have to run as another user
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    cluster = postgres.Cluster(home / "postgres", binaries=PROGRAMS)
    address = cluster.start()
    atexit.register(cluster.stop)
    server = valkey.Server(home / "valkey", port=postgres.free_port())
    url = server.start()
    atexit.register(server.stop)
    return address, url


def play_a_round() -> int:
    """`bin/up --check` on these servers; its exit status."""
    address, redis_url = start()
    postgres.ensure_database(address, "faro")
    environment = os.environ | {
        "DATABASE_URL": address.url(postgres.APP, "faro"),
        "DATABASE_OWNER_URL": address.url(postgres.OWNER, "faro"),
        "REDIS_URL": redis_url,
        "FARO_MODE": "demo",
    }
    return subprocess.run([ROOT / "bin" / "up", "--check"], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(play_a_round())

if "FARO_TEST_ON_15" not in os.environ:  # xdist's workers load the plugin too, and use the same
    _address, os.environ["FARO_TEST_REDIS"] = start()
    os.environ["FARO_TEST_POSTGRES"] = _address.url("postgres", "postgres")
    os.environ["FARO_TEST_ON_15"] = "1"

"""A pytest plugin: the tests run on Debian's PostgreSQL 15, the oldest server Faro supports.

Starts a private cluster in a throw-away directory; the machine's own clusters are left alone.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from casino.embedded import postgres, valkey

_home = Path(tempfile.mkdtemp(prefix="faro-test-15-"))
_home.chmod(0o755)
atexit.register(shutil.rmtree, _home, ignore_errors=True)
_cluster = postgres.Cluster(_home / "postgres", binaries=Path("/usr/lib/postgresql/15/bin"))
_address = _cluster.start()
atexit.register(_cluster.stop)
_server = valkey.Server(_home / "valkey", port=postgres.free_port())
os.environ["FARO_TEST_POSTGRES"] = _address.url("postgres", "postgres")
os.environ["FARO_TEST_REDIS"] = _server.start()
atexit.register(_server.stop)

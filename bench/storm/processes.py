"""Every process of a house that takes webhooks, each of which may be killed and started again."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx

from bench.database.fresh import kill_and_start
from casino.embedded import parent_death
from casino.embedded.postgres import free_port
from casino.supervisor.plan import web
from payments.messages.signatures import api_key

ROOT: Final = Path(__file__).resolve().parents[2]
SECRET: Final = secrets.token_urlsafe(32)
READY_S: Final = 90.0
#: How long one that was killed may take until it is at work again, on a machine that is busy.
AT_WORK_S: Final = 300.0
#: What becomes of messages and answers while people pay.
STORM: Final = {
    "webhook_lose_percent": 5,
    "webhook_repeat_percent": 20,
    "webhook_shuffle_ms": 2_000,
    "payout_step_ms": 100,
    "answer_fails_every": 40,
    "webhook_tells_begin": True,
}
CALM: Final = {name: type(value)() for name, value in STORM.items()}


def client() -> httpx.Client:
    """For our own calls, one in each process: making one takes longer than a call."""
    return _client_of(os.getpid())


@cache
def _client_of(_process: int) -> httpx.Client:
    return httpx.Client(trust_env=False, verify=httpx.create_ssl_context(trust_env=False))


class Processes:
    """Provider, web, worker and sweeper on one database. ``psp_url`` is the provider's address."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self._home = home
        psp_port, web_port = free_port(), free_port()
        self.psp_url = f"http://127.0.0.1:{psp_port}"
        self._web_url = f"http://127.0.0.1:{web_port}"
        self.memory = home / "psp.sqlite3"
        (home / "secret").write_text(SECRET)
        self.variables = {
            "SIMULATED_PSP_URL": self.psp_url,
            "PSP_WEBHOOK_SECRET": SECRET,
            "PAYMENT_PROVIDER": "simulated",
            "FARO_STATE_DIR": str(home),
            "FARO_LOG_LEVEL": "ERROR",
        }
        self._environment = dict(environment) | self.variables
        python = sys.executable
        self._commands: dict[str, tuple[str, ...]] = {
            "psp": (
                *(python, "-m", "payments.simulated_psp", "--port", str(psp_port)),
                *("--secret-file", str(home / "secret"), "--state-file", str(self.memory)),
                *("--webhook-url", f"{self._web_url}/payments/webhooks/simulated/"),
            ),
            "web": web(python, web_port, "uvicorn"),
            "worker": (
                *(python, "-m", "celery", "--app", "casino", "--quiet", "worker"),
                *("--pool", "solo", "--loglevel", "ERROR", "--without-gossip"),
                *("--pidfile", str(self._note("worker"))),
            ),
            "sweeper": (python, "-m", "bench.storm.sweeping", str(self._note("sweeper"))),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def names(self) -> list[str]:
        """What may be killed."""
        return [*self._commands, "database"]

    def _note(self, name: str) -> Path:
        """Where one without an address writes its number once it is at work."""
        return self._home / f"{name}.pid"

    def start(self) -> None:
        for name in self._commands:
            self._start(name)
        self.switch(STORM)
        _until_answers(f"{self._web_url}/healthz")

    def await_work(self) -> None:
        """Until every process is at work again."""
        until = time.monotonic() + AT_WORK_S
        while not all(self._is_at_work(name) for name in self._commands):
            if time.monotonic() > until:
                raise SystemExit("bin/bench chaos: not every process gets to work")
            time.sleep(0.1)

    def _is_at_work(self, name: str) -> bool:
        url = {"psp": self.psp_url, "web": self._web_url}.get(name)
        if url is not None:
            return _answers(f"{url}/healthz")
        with suppress(OSError):
            return self._note(name).read_text().strip() == str(self._running[name].pid)
        return False

    def _start(self, name: str) -> None:
        self._note(name).unlink(missing_ok=True)
        with (self._home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*parent_death.prefix("KILL"), *self._commands[name]],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self, name: str) -> None:
        """SIGKILL, at any moment, and a start at once."""
        if name == "database":
            kill_and_start()
            return
        self.end(name)
        self._start(name)
        if name == "psp":
            self.switch(STORM)  # switches are not what it remembers

    def stop(self) -> None:
        for name in list(self._running):
            self.end(name)

    def end(self, name: str) -> None:
        """End one for good."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def switch(self, wanted: Mapping[str, Any]) -> None:
        _until_answers(f"{self.psp_url}/healthz")
        self.ask("POST", "/switches", wanted)

    def books(self) -> dict[str, Any] | None:
        """What the provider's books say; None while it does not answer."""
        with suppress(httpx.HTTPError):
            return self.ask("GET", "/simulate/books")
        return None

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, key: str = ""
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {api_key(SECRET)}", "Idempotency-Key": key}
        answer = client().request(method, f"{self.psp_url}{path}", json=body, headers=headers)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def _until_answers(url: str) -> None:
    until = time.monotonic() + READY_S
    while not _answers(url):
        if time.monotonic() > until:
            raise SystemExit(f"bin/bench chaos: {url} does not answer")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return client().get(url).is_success
    return False

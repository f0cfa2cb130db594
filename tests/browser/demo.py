"""The whole demo as `bin/up` runs it, with a throw-away state: for pictures and for benchmarks."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casino.check import account, cashier, play
from casino.check.visitor import Visitor
from tests.gates.gates import ROOT

#: A first start makes a database and migrates it: about 40 s on two busy cores.
START_S_MAX = 240
STOP_S_MAX = 60


class DidNotStart(Exception):
    """The demo ended, or said nothing for too long; carries its last words."""


@contextmanager
def running(*, speed: int = 1) -> Iterator[str]:
    """The address of a demo of our own; everything that it started has ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="faro-demo-") as home:
        Path(home).chmod(0o755)  # PostgreSQL may run as another user
        words = ["--state", f"{home}/state", "--port", "0", "--speed", str(speed)]
        with subprocess.Popen(
            [sys.executable, "-m", "casino.supervisor", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield _address(process)
            finally:
                process.terminate()
                process.wait(STOP_S_MAX)


def _address(process: subprocess.Popen[str]) -> str:
    """Where it says that it runs; its output is read on, so that it never waits for us."""
    said: list[str] = []
    found = threading.Event()
    address: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if match := re.search(r"Faro is running: +(http://\S+?)/?\s", line):
                address.append(match[1])
                found.set()
        found.set()

    threading.Thread(target=listen, daemon=True).start()
    if not found.wait(START_S_MAX) or not address:
        raise DidNotStart("".join(said[-20:]) or "no output")
    return address[0]


def player_who_played(base: str, *, speed: int, rounds: int) -> Visitor:
    """A new player of that demo, with a deposit and so many rounds behind them, signed in."""
    visitor = Visitor(base)
    person = account.Person(
        f"guest-{secrets.token_hex(4)}@example.org", f"a-quiet-lighthouse-{secrets.token_hex(4)}"
    )
    account.sign_up(visitor, person)
    cashier.deposit(visitor)
    for _ in range(rounds):
        play.play_one_round(visitor, base, play.round_ms_max(speed))
    return visitor

"""The whole demo as `bin/up` runs it, with a throw-away state: for pictures and for benchmarks."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from casino.check import account, cashier, play
from casino.check.visitor import Visitor
from tests.gates.gates import ROOT

#: A first start makes a database and migrates it: about 40 s on two busy cores.
START_S_MAX = 240
STOP_S_MAX = 60


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: its address, and the keys of its staff's authenticators by e-mail address."""

    base: str
    keys: Mapping[str, str] = field(default_factory=dict)


class DidNotStart(Exception):
    """The demo ended, or said nothing for too long; carries its last words."""


@contextmanager
def running(*, speed: int = 1) -> Iterator[Demo]:
    """A demo of our own; everything that it started has ended afterwards."""
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
                yield _told(process)
            finally:
                process.terminate()
                process.wait(STOP_S_MAX)


def _told(process: subprocess.Popen[str]) -> Demo:
    """What it says once it runs; its output is read on, so that it never waits for us."""
    said: list[str] = []
    ended = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C stops"):
                ended.set()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    ended.wait(START_S_MAX)
    text = "".join(said)
    address = re.search(r"Faro is running: +(http://\S+?)/?\s", text)
    if address is None:
        raise DidNotStart("".join(said[-20:]) or "no output")
    return Demo(address[1], dict(re.findall(r"(\S+@\S+) +\S+ +([A-Z2-7]{16,})\s", text)))


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

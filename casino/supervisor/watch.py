"""Starts the stages, watches, restarts, and stops everything in reverse order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence

from casino.supervisor.processes import Child
from casino.supervisor.services import Services
from casino.supervisor.terminal import problem
from kernel.clock import monotonic_ms

WATCH_EVERY_S = 0.2
#: Everything of ours is down within this; what is not is killed. Ctrl-C promises 10 s, and the
#: embedded servers need their part of it.
STOP_TOTAL_MS = 8_000
STOP_STAGE_MS = 4_000


class Watch:
    """The running children of one `bin/up`."""

    def __init__(self, children: Sequence[Child], services: Services) -> None:
        self.children = list(children)
        self.services = services
        self.stopping = threading.Event()

    def install_signals(self) -> None:
        """Ctrl-C, SIGTERM and a closed terminal all mean: stop cleanly."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())

    def start(self) -> None:
        for child in self.children:
            child.start()

    def until(self, done: Callable[[], bool], *, timeout_ms: int | None = None) -> bool:
        """Watch until ``done`` says so (True), or we are told to stop or time is up (False)."""
        deadline = None if timeout_ms is None else monotonic_ms() + timeout_ms
        while not self.stopping.is_set():
            if done():
                return True
            if deadline is not None and monotonic_ms() > deadline:
                return False
            self._look()
            self.stopping.wait(WATCH_EVERY_S)
        return False

    def restarts(self) -> dict[str, int]:
        return {child.name: child.restarts for child in self.children if child.restarts}

    def stop(self) -> list[str]:
        """Stop the stages in reverse order; returns the names that had to be killed."""
        deadline = monotonic_ms() + STOP_TOTAL_MS
        killed: list[str] = []
        for stage in sorted({child.process.stage for child in self.children}, reverse=True):
            members = [child for child in self.children if child.process.stage == stage]
            for child in members:
                child.ask_to_stop()
            stage_deadline = min(deadline, monotonic_ms() + STOP_STAGE_MS)
            while any(child.alive() for child in members) and monotonic_ms() < stage_deadline:
                threading.Event().wait(0.02)
            killed += [child.name for child in members if child.alive()]
            for child in members:
                child.kill()
        return killed

    def _look(self) -> None:
        for line in self.services.watch():
            problem(line)
        for child in self.children:
            news = child.watch()
            if news is not None:
                problem(news)

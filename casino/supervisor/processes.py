"""One child process: started in its own group, watched, and ended with everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from casino.embedded import parent_death
from casino.supervisor.plan import Process
from kernel.clock import monotonic_ms

#: Pause before a restart; doubles with each crash in a row.
BACK_OFF_FIRST_MS = 500
BACK_OFF_MAX_MS = 30_000
#: A process that ran this long is not crashing in a row.
STEADY_AFTER_MS = 60_000


def back_off_ms(crashes_in_a_row: int) -> int:
    """How long to wait before the next start: 0.5 s, 1 s, 2 s … at most 30 s."""
    doublings = min(crashes_in_a_row - 1, 16)
    return min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS << doublings)


class Child:
    """A process of the plan, alive or between two lives."""

    def __init__(self, process: Process, log: Path, environment: Mapping[str, str]) -> None:
        self.process = process
        self.log = log
        self.restarts = 0
        self._environment = {**environment, **process.variables}
        self._running: subprocess.Popen[bytes] | None = None
        self._started_ms = 0
        self._crashes_in_a_row = 0
        self._start_again_ms: int | None = None

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    def start(self) -> None:
        """Start it in a session of its own; the kernel ends it should we be killed.

        With SIGKILL: a process asked politely may still wait for a database that ends as well, and
        every process of ours has to survive that anyway.
        """
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [*parent_death.prefix("KILL"), *self.process.command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started_ms = monotonic_ms()
        self._start_again_ms = None

    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def watch(self) -> str | None:
        """Notice a crash, restart when its pause is over; says so in a line for a person."""
        now = monotonic_ms()
        if self._start_again_ms is not None:
            if now < self._start_again_ms:
                return None
            self.start()
            self.restarts += 1
            return f"{self.name} started again"
        if self.alive() or self._running is None:
            return None
        self._sweep_group()
        steady = now - self._started_ms >= STEADY_AFTER_MS
        self._crashes_in_a_row = 1 if steady else self._crashes_in_a_row + 1
        pause_ms = back_off_ms(self._crashes_in_a_row)
        self._start_again_ms = now + pause_ms
        how = _how_it_ended(self._running.returncode)
        return f"{self.name} stopped ({how}); next try in {pause_ms / 1000:g} s, see {self.log}"

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself, which knows how to end its own children."""
        self._start_again_ms = None
        if self.alive() and self._running is not None:
            self._running.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to its whole group, also when the process itself has gone already."""
        self._sweep_group()
        if self._running is not None:
            self._running.wait()
            self._running = None

    def _sweep_group(self) -> None:
        if self._running is not None:
            try:
                os.killpg(self._running.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"

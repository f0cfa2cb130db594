"""What has to be true before the first process starts: tables, demo data, configurations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from casino.supervisor import configurations, devices
from casino.supervisor.command_line import ROOT, Options
from casino.supervisor.failure import CannotStart
from casino.supervisor.ports import Ports
from casino.supervisor.state import State
from casino.supervisor.terminal import tails

#: Longer than any of them takes on a slow laptop; a hanging one must not look like a start.
COMMAND_TIMEOUT_S = 300


def everything(
    options: Options,
    state: State,
    chosen: Ports,
    running: Mapping[str, str],
    migrating: Mapping[str, str],
) -> None:
    """In order: tables (as the owner role), devices' keys, demo data, configurations."""
    state.write_private(state.psp_secret, running["PSP_WEBHOOK_SECRET"])
    migrate(migrating, state)
    devices.enrol(state)
    make_demo_data(options, running, state)
    configurations.write(options, state, chosen)


def migrate(environment: Mapping[str, str], state: State) -> None:
    """Bring the tables up to date; ``environment`` carries the owner role."""
    _manage(["migrate", "--verbosity", "0"], environment, state)


def make_demo_data(options: Options, environment: Mapping[str, str], state: State) -> None:
    """Deterministic tables and people. Idempotent: a second start changes nothing."""
    words = ["demo_data", "--seed", str(options.seed), "--speed", str(options.speed)]
    _manage(words, environment, state)


def _manage(words: list[str], environment: Mapping[str, str], state: State) -> None:
    """Run one management command, its output into its own log. Raises ``CannotStart``."""
    log = state.log(words[0])
    with log.open("ab") as file:
        try:
            code = subprocess.run(
                [sys.executable, "manage.py", *words],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise CannotStart(f"{words[0]} took over {COMMAND_TIMEOUT_S} s; see {log}") from None
    if code != 0:
        tails(state.logs, [words[0]])
        raise CannotStart(f"{words[0]} failed: {_cause(log.read_text(errors='replace'))} ({log})")


def _cause(output: str) -> str:
    """The line that names the error: the first one after the last traceback's frames."""
    lines = [line for line in output.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback")]
    if starts:
        after = (line for line in lines[starts[-1] + 1 :] if not line.startswith(" "))
        return next(after, lines[-1])[:300]
    return lines[-1].strip()[:300] if lines else "no message"

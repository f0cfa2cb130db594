"""`bin/up --check`: a player's round on the running platform, and its one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

from casino.supervisor.command_line import ROOT, Options
from casino.supervisor.ports import HOST, Ports
from casino.supervisor.state import State
from casino.supervisor.terminal import tails
from casino.supervisor.watch import Watch

#: A whole check at the default speed takes about a quarter of it.
CHECK_TIMEOUT_MS = 180_000


def run(
    options: Options, state: State, watch: Watch, ports: Ports, variables: Mapping[str, str]
) -> dict[str, object]:
    """Play while the processes are watched; the result, ``ok`` false where anything went wrong."""
    words = [sys.executable, "-m", "casino.check", "--base", f"http://{HOST}:{ports.web}"]
    words += ["--stream", f"http://{HOST}:{ports.stream}"]
    words += ["--speed", str(options.speed), "--result", str(state.check_result)]
    with state.log("check").open("wb") as log:
        player = subprocess.Popen(words, cwd=ROOT, env=dict(variables), stdout=log, stderr=log)
    watch.until(lambda: player.poll() is not None, timeout_ms=CHECK_TIMEOUT_MS)
    if player.poll() is None:
        player.kill()
        player.wait()
    result = _result(state)
    if not result["ok"]:
        tails(state.logs, ["check", *(child.name for child in watch.children)])
    return result


def _result(state: State) -> dict[str, object]:
    if not state.check_result.exists():
        return {"ok": False, "failed_step": "unknown", "error": "ended without a result"}
    return dict(json.loads(state.check_result.read_text()))


def report(result: Mapping[str, object]) -> None:
    """The last line of the output, for a machine."""
    sys.stdout.write(f"{json.dumps(result)}\n")
    sys.stdout.flush()

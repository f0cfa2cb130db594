"""One call of `bin/up`, from the options to the last process stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from casino.supervisor import (
    check,
    configurations,
    environment,
    plan,
    ports,
    prepare,
    secret_file,
    services,
)
from casino.supervisor.command_line import Options, parse
from casino.supervisor.failure import CannotStart
from casino.supervisor.processes import Child
from casino.supervisor.readiness import answers
from casino.supervisor.state import State
from casino.supervisor.terminal import problem, say, tails, welcome
from casino.supervisor.watch import Watch
from kernel.clock import monotonic_ms

#: From the start of the processes to the first page; a slow laptop needs an eighth of it.
READY_TIMEOUT_MS = 120_000


def main(words: list[str]) -> int:
    """Exit code: 0 after a clean stop or a passed check, 1 when something stood in the way."""
    options = parse(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also while preparing
    began_ms = monotonic_ms()
    try:
        with _state(options) as state:
            result = _run(options, state, began_ms)
    except CannotStart as failure:
        problem(str(failure))
        result = {"ok": False, "failed_step": "start", "error": str(failure)}
    except KeyboardInterrupt:
        problem("stopped before everything was up")
        result = {"ok": False, "failed_step": "start", "error": "interrupted"}
    if options.check:
        check.report(result)
    return 0 if result["ok"] else 1


@contextlib.contextmanager
def _state(options: Options) -> Iterator[State]:
    """The state directory, ours alone until the end. A check's is thrown away."""
    if options.check:
        state = State(Path(tempfile.mkdtemp(prefix="faro-check-")))
        state.root.chmod(0o755)  # PostgreSQL may run as another user
    else:
        state = State(options.state)
    state.make()
    lock = state.lock()
    try:
        if options.reset:
            state.reset()
        state.prepare()
        yield state
    finally:
        os.close(lock)
        if options.check:
            shutil.rmtree(state.root, ignore_errors=True)


def _run(options: Options, state: State, began_ms: int) -> dict[str, object]:
    chosen = ports.choose(0 if options.check else options.port, devices=configurations.DEVICE_PORTS)
    secrets = secret_file.load_or_make(state, os.environ)
    running = services.start(state, os.environ)
    try:
        variables = environment.build(os.environ, state, chosen, running, secrets)
        prepare.everything(options, state, chosen, variables, variables | running.migrating())
        planned = plan.processes(sys.executable, state, chosen, server=options.server)
        children = [Child(process, state.log(process.name), variables) for process in planned]
        watch = Watch(children, running)
        watch.install_signals()
        try:
            watch.start()
            result = _serve(options, state, watch, chosen, variables, began_ms)
        finally:
            killed = watch.stop()
    finally:
        running.stop()
    if killed:
        problem(f"had to be killed: {', '.join(killed)}")
    return result | {"restarts": watch.restarts(), "killed": killed}


def _serve(
    options: Options,
    state: State,
    watch: Watch,
    chosen: ports.Ports,
    variables: dict[str, str],
    began_ms: int,
) -> dict[str, object]:
    """From the first process to the moment before stopping."""
    up = watch.until(lambda: answers(chosen.web, "/readyz"), timeout_ms=READY_TIMEOUT_MS)
    if watch.stopping.is_set():
        return {"ok": not options.check}
    if not up:
        tails(state.logs, ["web"])
        raise CannotStart(f"no page after {READY_TIMEOUT_MS // 1000} s")
    first_page_ms = monotonic_ms() - began_ms
    if options.check:
        played = check.run(options, state, watch, chosen, variables)
        return played | {"seconds_to_first_page": round(first_page_ms / 1000, 1)}
    welcome(f"http://{ports.HOST}:{chosen.web}", state, watch.services.described())
    watch.until(lambda: False)
    say("stopping")
    return {"ok": True}

"""Running one gate."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.gates.gates import ROOT, Gate

#: Longer than the slowest gate on two busy cores; a hanging one must not hold a machine for ever.
GATE_TIMEOUT_S = 1_500


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a gate went. A gate that cannot run here counts as passed, is named, and says why."""

    name: str
    passed: bool
    seconds: float
    skipped_because: str = ""
    summary: str = ""
    skips: tuple[str, ...] = ()


def run(gate: Gate) -> Outcome:
    """Run it, its output on the terminal as it comes."""
    why = gate.missing()
    if why:
        return Outcome(gate.name, passed=True, seconds=0.0, skipped_because=why)
    sys.stdout.write(f"--- {gate.name}\n")
    sys.stdout.flush()
    began = time.monotonic()
    output = bytearray()
    with subprocess.Popen(
        gate.command(), cwd=ROOT, env=_environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 65_536):  # dots as they come
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            output += chunk
        code = process.wait(GATE_TIMEOUT_S)
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    seconds = time.monotonic() - began
    skips = tuple(line for line in lines if line.startswith("SKIPPED ["))
    last = next((line for line in reversed(lines) if line), "")
    return Outcome(gate.name, code == 0, seconds, summary=last, skips=skips)


def _environment() -> dict[str, str]:
    """Ours, without what would make a gate talk to servers of the person who calls it."""
    left_out = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "FARO_MODE", "FARO_STATE_DIR"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    # django-stubs reads the settings; nothing connects to these addresses.
    return kept | {
        "SECRET_KEY": "only-for-gates-0123456789-abcdefghijklmnop-ABCDEFGHIJ",
        "FARO_MODE": "test",
        "FARO_AUDIT_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "FARO_SEAL_KEY": "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=",
        "DATABASE_URL": "postgresql://faro_app:none@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }

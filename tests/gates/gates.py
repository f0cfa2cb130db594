"""The gates, cheapest first: a wrong format is told within a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.gates import tools

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
WORKERS = "3"  # on two cores: while one waits for a process that it started, two work
PYTEST = (
    *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no"),
    *("-p", "tests.gates.recording"),
)


@dataclass(frozen=True, slots=True)
class Gate:
    """One command that must exit 0. ``missing`` says why it cannot run here, empty if it can."""

    name: str
    command: Callable[[], tuple[str, ...]]
    missing: Callable[[], str] = lambda: ""


def _tool(name: str, *words: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (str(BIN / name), *words)


def _templates() -> tuple[str, ...]:
    found = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("templates/**/*.html"))
    return (str(BIN / "djade"), "--check", "--target-version", "5.2", *found)


def _on_fifteen() -> tuple[str, ...]:
    """Whose subject is SQL of ours: functions, triggers, locks, partitions, plans.

    The server's version can change what these say. What only reads by way of Django (pages, files,
    the hub, the API's frame) says the same on either, and `a round on real servers` plays it there.
    """
    told_by_python = {"test_ledger_pages.py", "test_ledger_exports.py"}
    books = sorted(
        str(path.relative_to(ROOT))
        for path in ROOT.glob("tests/flows/test_ledger_*.py")
        if path.name not in told_by_python
    )
    return (*books, "tests/flows/test_events_stream.py", "tests/flows/test_events_relay.py")


def _pytest(*words: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (*PYTEST, *words)


GATES = (
    Gate("ruff format", _tool("ruff", "format", "--check", "--quiet", ".")),
    Gate("ruff check", _tool("ruff", "check", "--quiet", ".")),
    Gate("templates (djade)", _templates),
    Gate(
        "js and css (biome)",
        lambda: (tools.biome(), "check", "--diagnostic-level=error"),
        tools.why_no_biome,
    ),
    Gate("card numbers", lambda: (sys.executable, "-m", "tests.gates.card_numbers")),
    Gate("import directions", _tool("lint-imports", "--no-cache")),
    Gate("types (mypy)", _tool("mypy", ".")),
    Gate(
        "tests",
        _pytest(
            *("-n", WORKERS, "--dist", "worksteal", "tests"),
            *("--ignore", "tests/simulation", "--ignore", "tests/races/test_tables_closing.py"),
            *("--ignore", "tests/browser"),
            *("--durations", "20", "--durations-min", "5"),
        ),
    ),
    # These start processes of their own and measure how they meet: alone on the machine.
    Gate(
        "rounds and closing, alone",
        _pytest("tests/simulation", "tests/races/test_tables_closing.py"),
    ),
    # Each worker has one Chromium and one set of servers: no more of them than cores.
    Gate(
        "browser",
        _pytest("-n", "2", "--dist", "worksteal", "tests/browser"),
        tools.why_no_chromium,
    ),
    Gate(
        "ledger and events on PostgreSQL 15",
        _pytest(
            *("-n", WORKERS, "--dist", "worksteal", "-p", "tests.gates.debian_postgres"),
            *_on_fifteen(),
        ),
        tools.why_no_postgres_15,
    ),
    Gate(
        "a round on real servers, PostgreSQL 15",
        lambda: (sys.executable, "-m", "tests.gates.debian_postgres"),
        tools.why_no_postgres_15,
    ),
)

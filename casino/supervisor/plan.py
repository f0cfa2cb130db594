"""Which processes make a running Faro, in which order. Pure: no file, no socket, no process.

A stage starts after the one before it and stops before it, so that nobody loses a service that it
is still using.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from casino.supervisor.ports import HOST, Ports
from casino.supervisor.state import State

#: Stages, first started first. The outside world comes last: the house must be open before.
OUTSIDE_HELP, HOUSE, STUDIO, AUDIENCE = range(4)

#: For pages, a few milliseconds each. The hub (6) and the intake of each busy table have their own.
WEB_CONNECTIONS = {"FARO_DATABASE_POOL": "20"}
#: A demo's day at the payment provider: short, so that finance's desk has files to reconcile.
SETTLE_EVERY_S = 240
#: What the simulated bank calls the house's account; its name in the ledger is `main`.
BANK_ACCOUNT = "PLAYBANK0001"


@dataclass(frozen=True, slots=True)
class Process:
    """One supervised process: its name (also its log's), command, stage and own variables."""

    name: str
    command: tuple[str, ...]
    stage: int
    variables: Mapping[str, str] = field(default_factory=dict)


def processes(python: str, state: State, ports: Ports, *, server: str) -> list[Process]:
    """Every role of the house, in starting order."""
    manage = (python, "manage.py")
    celery = (python, "-m", "celery", "--app", "casino", "--quiet")
    return [
        Process(
            "psp",
            (
                *(python, "-m", "payments.simulated_psp", "--port", str(ports.psp)),
                *("--secret-file", str(state.psp_secret), "--files-dir", str(state.inbox)),
                *("--settle-every-s", str(SETTLE_EVERY_S), "--bank-account", BANK_ACCOUNT),
            ),
            OUTSIDE_HELP,
        ),
        Process("web", web(python, ports.web, server), HOUSE, WEB_CONNECTIONS),
        Process("tables", (*manage, "run_tables"), HOUSE),
        Process("relay", (*manage, "relay"), HOUSE),
        Process(
            "worker",
            (*celery, "worker", "--pool", "solo", "--loglevel", "INFO", "--without-gossip"),
            HOUSE,
        ),
        Process(
            "beat",
            (
                *celery,
                *("beat", "--loglevel", "INFO", "--pidfile", ""),
                *("--scheduler", "casino.beat.LeasedScheduler"),
            ),
            HOUSE,
        ),
        Process("stream", (python, "-m", "streaming.serve", *_config(state, "stream")), HOUSE),
        Process("studio", (python, "-m", "studio.simulated", *_config(state, "studio")), STUDIO),
        Process(
            "controller", (python, "-m", "studio.controller", *_config(state, "controller")), STUDIO
        ),
        Process("floor", (*manage, "demo_floor"), AUDIENCE),
    ]


def web(python: str, port: int, server: str) -> tuple[str, ...]:
    """The web role. daphne by default; uvicorn drains on SIGTERM and is what production runs."""
    application = "casino.asgi:application"
    if server == "uvicorn":
        return (
            *(python, "-m", "uvicorn", "--host", HOST, "--port", str(port)),
            *("--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "4"),
            *("--ws-max-size", "16384", application),
        )
    return (
        *(python, "-m", "daphne", "--bind", HOST, "--port", str(port), "--no-server-name"),
        *("--access-log", "/dev/null", "--application-close-timeout", "4", application),
    )


def _config(state: State, name: str) -> tuple[str, str]:
    return "--config", str(state.config(name))

"""Configuration files of the processes that know no Django: stream, controller, studio."""

from __future__ import annotations

import json
from typing import Any

from casino import demo
from casino.supervisor.ports import HOST, Ports
from casino.supervisor.state import State


def write(state: State, ports: Ports) -> None:
    """Write all of them anew at every start: ports may have changed. Readable by us alone."""
    for name, content in (("stream", stream(state, ports)),):
        state.write_private(state.config(name), json.dumps(content, indent=1))


def stream(state: State, ports: Ports) -> dict[str, Any]:
    """One generated picture per table; only our own pages may fetch it."""
    return {
        "state_dir": str(state.root / "stream"),
        "host": HOST,
        "port": ports.stream,
        "allowed_origins": [f"http://{HOST}:{ports.web}"],
        "tables": [{"id": table.id, "name": table.name, "camera": "card"} for table in demo.TABLES],
    }

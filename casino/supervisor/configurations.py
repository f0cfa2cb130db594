"""Configuration files of the processes that know no Django: stream, controller, studio."""

from __future__ import annotations

import json
from typing import Any

from casino import demo
from casino.supervisor import devices
from casino.supervisor.command_line import Options
from casino.supervisor.ports import HOST, Ports
from casino.supervisor.state import State

#: Each table's wheel and keypad speak over TCP; a third port takes commands for faults.
PORTS_PER_TABLE = 3
DEVICE_PORTS = PORTS_PER_TABLE * len(demo.TABLES)


def write(options: Options, state: State, ports: Ports) -> None:
    """Write all of them anew at every start: ports and speed may have changed."""
    contents = {
        "stream": stream(state, ports),
        "studio": studio(options, state, ports),
        "controller": controller(options, state, ports),
    }
    for name, content in contents.items():
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


def studio(options: Options, state: State, ports: Ports) -> dict[str, Any]:
    """Wheels and presenters without faults; outcomes from the system's entropy."""
    return {
        "speed": options.speed,
        "seed": None,
        "state_dir": str(state.studio / "simulated"),
        "tables": [
            {"id": table, "wheel_port": wheel, "keypad_port": keypad, "control_port": control}
            for table, (wheel, keypad, control) in _device_ports(ports).items()
        ],
    }


def controller(options: Options, state: State, ports: Ports) -> dict[str, Any]:
    """Both devices of every table, with the keys that sign for them."""
    return {
        "platform_url": f"http://{HOST}:{ports.web}",
        "time_scale": 1 / options.speed,
        "state_dir": str(state.studio / "controller"),
        "tables": [
            {"id": table}
            | _device(state, table, "wheel", wheel)
            | _device(state, table, "keypad", keypad)
            for table, (wheel, keypad, _) in _device_ports(ports).items()
        ],
    }


def _device(state: State, table: str, kind: str, port: int) -> dict[str, str]:
    key = devices.of_table(state, table)[kind]
    return {
        kind: f"tcp://{HOST}:{port}",
        f"{kind}_device": key.device,
        f"{kind}_key_id": key.key_id,
        f"{kind}_private_b64_file": str(key.private_file),
    }


def _device_ports(ports: Ports) -> dict[str, tuple[int, ...]]:
    """Table → its wheel's, keypad's and control port."""
    chunks = zip(*[iter(ports.devices)] * PORTS_PER_TABLE, strict=True)
    return {table.id: chunk for table, chunk in zip(demo.TABLES, chunks, strict=True)}

"""Configuration files of the processes that know no Django: stream, controller, studio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from casino import demo
from casino.supervisor import devices
from casino.supervisor.command_line import Options
from casino.supervisor.ports import HOST, Ports
from casino.supervisor.state import State
from streaming.ladder import FULL, TINY, Ladder

#: Each table's wheel and keypad speak over TCP; a third port takes commands for faults, and on the
#: fourth its camera sends pictures.
PORTS_PER_TABLE = 4
DEVICE_PORTS = PORTS_PER_TABLE * len(demo.TABLES)


def write(options: Options, state: State, ports: Ports) -> None:
    """Write all of them anew at every start: ports and speed may have changed."""
    contents = {
        "stream": stream(options, state, ports),
        "studio": studio(options, state, ports),
        "controller": controller(options, state, ports),
    }
    for name, content in contents.items():
        state.write_private(state.config(name), json.dumps(content, indent=1))


def stream(options: Options, state: State, ports: Ports) -> dict[str, Any]:
    """The first table in every quality, the others small: two cores carry it with everything else.

    Only our own pages may fetch it.
    """
    return {
        "state_dir": str(state.root / "stream"),
        "host": HOST,
        "port": ports.stream,
        "allowed_origins": [f"http://{HOST}:{ports.web}"],
        "tables": [
            {
                "id": table.id,
                "name": table.name,
                "camera": _camera(options, table, ports),
                "ladder": [asdict(rung) for rung in _ladder(table)],
            }
            for table in demo.TABLES
        ],
    }


def studio(options: Options, state: State, ports: Ports) -> dict[str, Any]:
    """Wheels, presenters and cameras without faults; outcomes from the system's entropy."""
    return {
        "speed": options.speed,
        "seed": None,
        "state_dir": str(state.studio / "simulated"),
        "tables": [
            {
                "id": table.id,
                "name": table.name,
                "wheel_port": wheel,
                "keypad_port": keypad,
                "control_port": control,
                "camera": {
                    "port": camera,
                    # at the rate at which the stream shows it
                    "frames_per_second": _ladder(table)[0].frames_per_second,
                },
            }
            for table, (wheel, keypad, control, camera) in _tables(ports)
        ],
    }


def _ladder(table: demo.DemoTable) -> Ladder:
    return FULL if table == demo.TABLES[0] else TINY


def _camera(options: Options, table: demo.DemoTable, ports: Ports) -> str:
    """The simulated camera, unless a person named another for the first table."""
    if options.camera is not None and table == demo.TABLES[0]:
        return options.camera
    return f"tcp://{HOST}:{dict(_tables(ports))[table][3]}"


def controller(options: Options, state: State, ports: Ports) -> dict[str, Any]:
    """Both devices of every table, with the keys that sign for them and for the controller."""
    return {
        "platform_url": f"http://{HOST}:{ports.web}",
        "time_scale": 1 / options.speed,
        "state_dir": str(state.studio / "controller"),
        "tables": [
            {"id": table.id}
            | _device(state, table.id, "wheel", wheel)
            | _device(state, table.id, "keypad", keypad)
            | _key(state, table.id, "controller")
            for table, (wheel, keypad, _, _) in _tables(ports)
        ],
    }


def _device(state: State, table: str, kind: str, port: int) -> dict[str, str]:
    return {kind: f"tcp://{HOST}:{port}"} | _key(state, table, kind)


def _key(state: State, table: str, kind: str) -> dict[str, str]:
    key = devices.of_table(state, table)[kind]
    return {
        f"{kind}_device": key.device,
        f"{kind}_key_id": key.key_id,
        f"{kind}_private_b64_file": str(key.private_file),
    }


def _tables(ports: Ports) -> Iterator[tuple[demo.DemoTable, tuple[int, ...]]]:
    """Each table with its wheel's, keypad's, control and camera port."""
    chunks = zip(*[iter(ports.devices)] * PORTS_PER_TABLE, strict=True)
    return zip(demo.TABLES, chunks, strict=True)

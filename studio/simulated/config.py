"""The simulated studio's configuration.

``{"speed": 10, "seed": null, "state_dir": "…", "misread_rate": 0.002, "fault_rates": {"no_ball":
0.01}, "tables": [{"id": "…", "wheel_port": 7001, "keypad_port": 7002, "control_port": 7003}]}``;
per table optionally ``"wheel_pty": "PATH"`` (a link to a pseudo-terminal), ``"mode"``, ``"name"``
(on the wall; the id where it is absent) and ``"camera": {"port": 7104, "frames_per_second": 30}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from studio.protocol.messages import is_name
from studio.settings_file import BadConfig, Fields, read_json
from studio.simulated.faults import Fault
from studio.simulated.wheel import MODE_FREE_RUNNING

#: Beyond this a status frame would be due every 2.5 ms, which no event loop keeps.
SPEED_MAX: Final = 200
TABLES_MAX: Final = 64
FRAMES_PER_SECOND: Final = 30
FRAMES_PER_SECOND_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """Where the table's video comes from, on the loopback address."""

    port: int
    frames_per_second: int


@dataclass(frozen=True, slots=True)
class TableConfig:
    """Where one table listens, all on the loopback address."""

    id: str
    wheel_port: int
    keypad_port: int
    control_port: int
    wheel_pty: Path | None
    mode: int
    name: str
    camera: CameraConfig | None


@dataclass(frozen=True, slots=True)
class StudioConfig:
    """``speed`` 1 is real time. ``seed`` None: outcomes from system entropy."""

    speed: float
    seed: str | int | None
    state_dir: Path
    misread_rate: float
    fault_rates: Mapping[Fault, float]
    tables: tuple[TableConfig, ...]


def load(path: Path) -> StudioConfig:
    """The configuration in ``path``; raises :class:`BadConfig`."""
    return read(read_json(path))


def read(value: object) -> StudioConfig:
    """The configuration in a JSON value; raises :class:`BadConfig`."""
    known = {"speed", "seed", "state_dir", "misread_rate", "fault_rates", "tables"}
    fields = Fields(value, "config", known)
    speed = fields.number("speed", 1)
    if not 0.1 <= speed <= SPEED_MAX:
        raise BadConfig(f"config.speed is not between 0.1 and {SPEED_MAX}")
    seed = fields.given("seed")
    if seed is not None and not isinstance(seed, str | int):
        raise BadConfig("config.seed is neither null, a text nor a whole number")
    rates = fields.given("fault_rates") or {}
    faults = Fields(rates, "config.fault_rates", {fault.value for fault in Fault})
    tables = tuple(_table(item, index) for index, item in enumerate(fields.items("tables")))
    if len(tables) > TABLES_MAX:
        raise BadConfig(f"config.tables has more than {TABLES_MAX}")
    return StudioConfig(
        speed=speed,
        seed=seed,
        state_dir=Path(fields.text("state_dir")),
        misread_rate=_rate(fields, "misread_rate"),
        fault_rates={fault: _rate(faults, fault.value) for fault in Fault},
        tables=tables,
    )


def _table(value: object, index: int) -> TableConfig:
    known = {
        *("id", "wheel_port", "keypad_port", "control_port", "wheel_pty", "mode", "name", "camera")
    }
    where = f"config.tables[{index}]"
    fields = Fields(value, where, known)
    name = fields.text("id")
    if not is_name(name):
        raise BadConfig(f"{where}.id is not a name")
    pty = fields.given("wheel_pty")
    return TableConfig(
        id=name,
        wheel_port=fields.port("wheel_port"),
        keypad_port=fields.port("keypad_port"),
        control_port=fields.port("control_port"),
        wheel_pty=None if pty is None else Path(fields.text("wheel_pty")),
        mode=round(fields.number("mode", MODE_FREE_RUNNING)),
        name=fields.text("name", name),
        camera=_camera(fields.given("camera"), f"{where}.camera"),
    )


def _camera(value: object, where: str) -> CameraConfig | None:
    if value is None:
        return None
    fields = Fields(value, where, {"port", "frames_per_second"})
    rate = fields.number("frames_per_second", FRAMES_PER_SECOND)
    if rate != round(rate) or not 1 <= rate <= FRAMES_PER_SECOND_MAX:
        raise BadConfig(
            f"{where}.frames_per_second is not a whole number from 1 to {FRAMES_PER_SECOND_MAX}"
        )
    return CameraConfig(port=fields.port("port"), frames_per_second=round(rate))


def _rate(fields: Fields, name: str) -> float:
    rate = fields.number(name, 0)
    if not 0 <= rate <= 1:
        raise BadConfig(f"{name} is not between 0 and 1")
    return rate

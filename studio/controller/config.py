"""The controller's configuration.

``{"platform_url": "http://127.0.0.1:8000", "time_scale": 1, "state_dir": "…", "tables": [{"id":
"…", "wheel": "tcp://127.0.0.1:7001", "wheel_device": "…", "wheel_key_id": "…",
"wheel_private_b64_file": "…", "keypad": "tcp://…", "keypad_device": "…", "keypad_key_id": "…",
"keypad_private_b64_file": "…", "controller_device": "…", "controller_key_id": "…",
"controller_private_b64_file": "…"}]}``. A wheel or keypad may also be the path of a serial port.
The last three belong together: with them the controller signs that it lives, as its own device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from studio.protocol.messages import is_name
from studio.settings_file import BadConfig, Fields, read_json

TABLES_MAX: Final = 64
#: What the controller reads at every table.
_READ: Final = ("wheel", "keypad")
_KEY_FIELDS: Final = ("_device", "_key_id", "_private_b64_file")
_OWN_FIELDS: Final = frozenset(f"controller{part}" for part in _KEY_FIELDS)


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device: where it speaks ("" for the controller itself), its name, the key that signs."""

    address: str
    device: str
    key_id: str
    private_b64: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TableConfig:
    """The two devices of one table, and the controller as the table's device where it is one."""

    id: str
    wheel: DeviceConfig
    keypad: DeviceConfig
    controller: DeviceConfig | None = None


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """``time_scale`` 1 is real time, 0.1 a demonstration ten times faster."""

    platform_url: str
    time_scale: float
    state_dir: Path
    tables: tuple[TableConfig, ...]


def load(path: Path) -> ControllerConfig:
    """The configuration in ``path``, keys read in; raises :class:`BadConfig`."""
    return read(read_json(path))


def read(value: object) -> ControllerConfig:
    """The configuration in a JSON value, keys read in; raises :class:`BadConfig`."""
    fields = Fields(value, "config", {"platform_url", "time_scale", "state_dir", "tables"})
    url = fields.text("platform_url").rstrip("/")
    if urlsplit(url).scheme not in {"http", "https"}:
        raise BadConfig("config.platform_url is not an http or https address")
    scale = fields.number("time_scale", 1)
    if not 0.005 <= scale <= 10:
        raise BadConfig("config.time_scale is not between 0.005 and 10")
    tables = tuple(_table(item, index) for index, item in enumerate(fields.items("tables")))
    if len(tables) > TABLES_MAX or len({table.id for table in tables}) < len(tables):
        raise BadConfig(f"config.tables has repeated ids or more than {TABLES_MAX}")
    return ControllerConfig(url, scale, Path(fields.text("state_dir")), tables)


def _table(value: object, index: int) -> TableConfig:
    where = f"config.tables[{index}]"
    names = {f"{kind}{part}" for kind in _READ for part in ("", *_KEY_FIELDS)}
    fields = Fields(value, where, {"id", *names, *_OWN_FIELDS})
    signs_itself = any(fields.given(name) is not None for name in _OWN_FIELDS)
    return TableConfig(
        _name(fields, "id", where),
        wheel=_device(fields, "wheel", where, _address(fields, "wheel", where)),
        keypad=_device(fields, "keypad", where, _address(fields, "keypad", where)),
        controller=_device(fields, "controller", where, "") if signs_itself else None,
    )


def _device(fields: Fields, kind: str, where: str, address: str) -> DeviceConfig:
    key_file = Path(fields.text(f"{kind}_private_b64_file"))
    try:
        private = key_file.read_text().strip()
    except (OSError, ValueError):
        raise BadConfig(f"{where}.{kind}_private_b64_file cannot be read: {key_file}") from None
    return DeviceConfig(
        address=address,
        device=_name(fields, f"{kind}_device", where),
        key_id=_name(fields, f"{kind}_key_id", where),
        private_b64=private,
    )


def _address(fields: Fields, kind: str, where: str) -> str:
    """``tcp://host:port``, or the absolute path of a serial port."""
    address = fields.text(kind)
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    is_tcp = address.startswith("tcp://") and bool(host) and port.isdecimal()
    if not is_tcp and not address.startswith("/"):
        raise BadConfig(f"{where}.{kind} is neither tcp://host:port nor a path")
    return address


def _name(fields: Fields, name: str, where: str) -> str:
    text = fields.text(name)
    if not is_name(text):
        raise BadConfig(f"{where}.{name} is not a name of a-z 0-9 . _ : -")
    return text

"""The studio's devices: one signing key each, made here once; their public halves for the house."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from casino import demo
from casino.supervisor.state import State
from studio.protocol.signatures import generate_key


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A device of a table and its key. The private half never leaves the studio's directory."""

    device: str
    table: str
    kind: str
    key_id: str
    private_file: Path

    @property
    def public_file(self) -> Path:
        return self.private_file.with_suffix(".pub")

    def described(self) -> dict[str, str]:
        """What the house needs to know to verify this device's observations."""
        return {
            "device": self.device,
            "table": self.table,
            "kind": self.kind,
            "key_id": self.key_id,
            "public_b64": self.public_file.read_text().strip(),
        }


def of_table(state: State, table: str) -> dict[str, DeviceKey]:
    """The devices that stand at a table, by kind."""
    keys = {}
    for kind in demo.DEVICE_KINDS:
        device = f"{table}-{kind}"
        file = state.studio / "keys" / f"{device}-1.key"
        keys[kind] = DeviceKey(device, table, kind, f"{device}-1", file)
    return keys


def enrol(state: State) -> None:
    """Make missing keys and write the list of public ones; existing keys stay as they are."""
    (state.studio / "keys").mkdir(mode=0o700, exist_ok=True)
    known = [key for table in demo.TABLES for key in of_table(state, table.id).values()]
    for key in known:
        if not (key.private_file.exists() and key.public_file.exists()):
            pair = generate_key()
            state.write_private(key.public_file, pair.public_b64)
            state.write_private(key.private_file, pair.private_b64)
    state.devices.write_text(json.dumps([key.described() for key in known], indent=1))

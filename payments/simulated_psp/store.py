"""What the simulated provider remembers: objects and idempotency keys, in memory and one file."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

#: Finished objects kept; older ones are forgotten, as nobody asks a play provider about them.
OBJECTS_MAX: Final = 20_000


class KeyReused(Exception):
    """The same idempotency key came with another request."""


class Store:
    """Payments and payouts by id. Not thread-safe: one event loop owns it."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._objects: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, dict[str, str]] = {}
        if path is not None and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._objects, self._keys = kept["objects"], kept["keys"]

    def find(self, object_id: str) -> dict[str, Any] | None:
        return self._objects.get(object_id)

    def by_token(self, token: str) -> dict[str, Any] | None:
        """The payment whose hosted page has this token."""
        return next((one for one in self._objects.values() if one.get("token") == token), None)

    def unfinished(self) -> list[dict[str, Any]]:
        """Objects that will still move by themselves, for a restart."""
        return [
            one
            for one in self._objects.values()
            if one["status"] in {"processing", "submitted", "in_transit"}
        ]

    def once(self, key: str, request: str, make: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """The object of ``key``, made now if need be (and whether it was). Raises ``KeyReused``."""
        known = self._keys.get(key)
        if known is not None:
            if known["request"] != request:
                raise KeyReused(key)
            return self._objects[known["id"]], False
        self._objects[make["id"]] = make
        self._keys[key] = {"request": request, "id": make["id"]}
        while len(self._objects) > OBJECTS_MAX:
            gone = next(iter(self._objects))
            del self._objects[gone]
            self._keys = {k: v for k, v in self._keys.items() if v["id"] != gone}
        self.save()
        return make, True

    def change(self, one: dict[str, Any], **fields: Any) -> None:
        one.update(fields)
        self.save()

    def save(self) -> None:
        """Write the file whole, then put it in place: a crash leaves the old or the new one."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        fresh.write_text(
            json.dumps({"objects": self._objects, "keys": self._keys}), encoding="utf-8"
        )
        os.replace(fresh, self._path)


def new_object_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"

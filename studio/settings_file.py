"""Reading a process's JSON configuration: every field is checked, every mistake has one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class BadConfig(Exception):
    """The configuration cannot be used; the text names the field and what is wrong."""


class Fields:
    """One JSON object of a configuration. ``where`` is its path, for messages."""

    def __init__(self, value: object, where: str, known: set[str]) -> None:
        if not isinstance(value, dict):
            raise BadConfig(f"{where} is not an object")
        unknown = sorted(value.keys() - known)
        if unknown:
            raise BadConfig(f"{where} has unknown fields: {', '.join(unknown)}")
        self._value: dict[str, Any] = value
        self._where = where

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value.get(name, default)
        if not isinstance(value, str) or not value:
            raise BadConfig(f"{self._where}.{name} is not a text")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self._value.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadConfig(f"{self._where}.{name} is not a number")
        return value

    def port(self, name: str) -> int:
        """A TCP port; 0 lets the system choose one."""
        value = self._value.get(name)
        if type(value) is not int or not 0 <= value <= 65535:
            raise BadConfig(f"{self._where}.{name} is not a port")
        return value

    def items(self, name: str) -> list[object]:
        value = self._value.get(name)
        if not isinstance(value, list) or not value:
            raise BadConfig(f"{self._where}.{name} is not a list with items")
        return value

    def given(self, name: str) -> Any:
        """The raw value, None where it is absent or null."""
        return self._value.get(name)


def read_json(path: Path) -> object:
    """The JSON value in ``path``; raises :class:`BadConfig` where there is none."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise BadConfig(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise BadConfig(f"{path} is not JSON") from None

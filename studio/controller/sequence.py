"""Sequence numbers that only grow, per device, over restarts, crashes and lost state files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: So many numbers are reserved on disk at a time: one fsync per thousand observations.
_RESERVED: Final = 1000


class Sequence:
    """The next number is above every number that this device ever used.

    The file holds a number that was never reached; a start continues above it, and above the
    clock's milliseconds since 1970, which no device overtakes at under 1000 observations a second.
    So a lost or restored file repeats nothing either.
    """

    def __init__(self, path: Path, now_ms: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._last = max(_stored(path), now_ms)
        self._reserved = self._last

    def take(self) -> int:
        """The next number."""
        if self._last == self._reserved:
            self._reserved = self._last + _RESERVED
            self._store()
        self._last += 1
        return self._last

    def _store(self) -> None:
        fresh = self._path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, f"{self._reserved}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        fresh.replace(self._path)


def _stored(path: Path) -> int:
    try:
        text = path.read_text("ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdigit() and len(text) < 17 else 0

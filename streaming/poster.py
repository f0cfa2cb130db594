"""The table's poster: the newest small picture, never more bytes than a lobby can afford."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

#: A lobby shows many of them over a phone's network; the look's budget for one.
POSTER_BYTES_MAX: Final = 48 * 1024

#: Qualities that are tried, best first, where the encoder's own picture is too large.
_QUALITIES: Final = (75, 60, 45, 30, 15)


class Poster:
    """Reads the encoder's picture when somebody asks, and remembers it until there is another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, bytes] = (0, b"")  # modification time in ns, and what to send

    async def current(self) -> bytes | None:
        """A JPEG of at most ``POSTER_BYTES_MAX``; None while there is none."""
        return await asyncio.to_thread(self._current)

    def _current(self) -> bytes | None:
        try:
            written_ns = self._path.stat().st_mtime_ns
            if written_ns != self._read[0]:
                self._read = (written_ns, fitting(self._path.read_bytes()))
        except (OSError, UnidentifiedImageError):  # none yet, or cut off by a full disk
            return None
        return self._read[1]


def fitting(data: bytes) -> bytes:
    """``data``, or the same picture compressed until it fits."""
    if len(data) <= POSTER_BYTES_MAX:
        return data
    with Image.open(io.BytesIO(data)) as picture:
        for quality in _QUALITIES:
            smaller = io.BytesIO()
            picture.save(smaller, "JPEG", quality=quality, optimize=True)
            data = smaller.getvalue()
            if len(data) <= POSTER_BYTES_MAX:
                break
    return data

"""Bytes to lines, for devices that speak in lines: partial reads, CR or LF, bounded memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. ``complete`` is false where it was cut at the limit."""

    content: bytes
    complete: bool = True


class LineSplitter:
    """Collects bytes until CR or LF. Empty lines vanish, so CR LF is one end.

    Never holds more than ``bytes_max``: a longer line is given out once, cut and incomplete, and
    the rest up to its end is dropped.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = b""
        self._dropping = False

    def feed(self, content: bytes) -> list[Line]:
        """The lines that ``content`` completes, in order."""
        lines: list[Line] = []
        *ended, rest = content.replace(b"\r", b"\n").split(b"\n")
        for piece in ended:
            self._take(piece, lines)
            if self._held and not self._dropping:
                lines.append(Line(self._held))
            self._held, self._dropping = b"", False
        self._take(rest, lines)
        return lines

    def clear(self) -> None:
        """Forget a half line: what follows comes from a new connection."""
        self._held, self._dropping = b"", False

    def _take(self, piece: bytes, lines: list[Line]) -> None:
        if self._dropping:
            return
        held = self._held + piece
        if len(held) > self._bytes_max:
            lines.append(Line(held[: self._bytes_max], complete=False))
            self._held, self._dropping = b"", True
        else:
            self._held = held

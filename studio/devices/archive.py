"""Raw device traffic on disk before anyone interprets it: append-only files that rotate.

What a driver concluded can then always be concluded again from the same bytes and times.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from studio.transcript import Direction, Record, line_of

#: About a day of one wheel at real speed.
FILE_BYTES_MAX: Final = 8 * 1024 * 1024
#: Half a year of days; older files belong on the long-term archive by then.
FILES_MAX: Final = 200
#: A device that sends this much at once is broken; transcript lines stay short.
_PIECE_BYTES_MAX: Final = 4096


class Archive:
    """Files ``NAME-000001.log`` and on in ``directory``; a new process begins a new file.

    A record reaches the operating system before :meth:`keep` returns, and the disk at the latest
    when its file is full or the archive closes.
    """

    def __init__(
        self, directory: Path, name: str, *, bytes_max: int = FILE_BYTES_MAX,
        files_max: int = FILES_MAX,
    ) -> None:  # fmt: skip
        self._directory, self._name = directory, name
        self._bytes_max, self._files_max = bytes_max, files_max
        directory.mkdir(parents=True, exist_ok=True)
        existing = self.files()
        self._number = int(existing[-1].stem.rpartition("-")[2]) if existing else 0
        self._file, self._written = -1, 0
        self._begin()

    def files(self) -> list[Path]:
        """The files of this archive, oldest first."""
        return sorted(self._directory.glob(f"{self._name}-[0-9]*.log"))

    def keep(self, at_us: int, direction: Direction, content: bytes) -> None:
        """Append one record."""
        for start in range(0, len(content), _PIECE_BYTES_MAX):
            piece = content[start : start + _PIECE_BYTES_MAX]
            line = line_of(Record(at_us, direction, piece)).encode("ascii")
            os.write(self._file, line)
            self._written += len(line)
        if self._written >= self._bytes_max:
            self.close()
            self._begin()

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def _begin(self) -> None:
        self._number += 1
        path = self._directory / f"{self._name}-{self._number:06d}.log"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._written = 0
        for old in self.files()[: -self._files_max]:
            old.unlink()

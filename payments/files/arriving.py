"""How a file gets in: bounded before it is read, copied into a place of our own, hashed on the way.

What readers read is the copy: whoever still writes the original, or swaps it, changes nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from django.conf import settings

from payments.files import store
from payments.files.parsed import Staged
from payments.files.words import FileCode, FileRefused, fault

CHUNK: Final = 1024 * 1024
#: Beginnings of packed files. They are not opened: a small archive can hold any size.
_PACKED: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
)


class Arrival(Protocol):
    """Something that can be copied into a workplace."""

    @property
    def size(self) -> int:
        """Bytes as far as they are known before reading; 0 where nothing is."""
        ...

    def stage(self, place: Path) -> Staged:
        """Copy it. Refuses with ``FileRefused``."""
        ...


@dataclass(frozen=True, slots=True)
class PathArrival:
    """A file of this machine. Links, folders and devices are none."""

    path: Path

    @property
    def size(self) -> int:
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def stage(self, place: Path) -> Staged:
        with _opened(self.path) as file:
            before = os.fstat(file.fileno())
            _refuse_by_size(before.st_size)
            staged = _copied(file, place)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise FileRefused(fault(FileCode.CHANGED_MEANWHILE))
        return staged


@dataclass(frozen=True, slots=True)
class StreamArrival:
    """A file that a request brought."""

    stream: BinaryIO
    size: int

    def stage(self, place: Path) -> Staged:
        _refuse_by_size(self.size)
        return _copied(self.stream, place)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileRefused(fault(FileCode.NOT_A_FILE)) from None
        why = error.strerror or type(error).__name__
        raise FileRefused(fault(FileCode.UNREADABLE, why=why)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(fault(FileCode.NOT_A_FILE))
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _refuse_by_size(size: int) -> None:
    if size > settings.RECONCILIATION_BYTES_MAX:
        most = settings.RECONCILIATION_BYTES_MAX
        raise FileRefused(fault(FileCode.TOO_LARGE, size=f"{size:,}", most=f"{most:,}"))


def _copied(file: BinaryIO, place: Path) -> Staged:
    staged, digest, size = place / "original", hashlib.sha256(), 0
    with store.new_file(staged) as out:
        while chunk := file.read(CHUNK):
            if not size and chunk.startswith(_PACKED):
                raise FileRefused(fault(FileCode.PACKED))
            size += len(chunk)
            _refuse_by_size(size)  # it may say one size and have another
            digest.update(chunk)
            out.write(chunk)
    if not size:
        raise FileRefused(fault(FileCode.EMPTY_FILE))
    return Staged(staged, digest.hexdigest(), size)

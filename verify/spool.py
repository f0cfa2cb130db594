"""Buckets on the disk: what is too much to hold at once is put where its like is, and read again.

A name goes to one of 96 files by its checksum, so one bucket holds all that a name has, and about
a hundredth of everything. What is checked per round or per id then needs the memory of one
bucket, however large the export is.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final
from zlib import crc32

#: Two spools are open at once: together below 256 files, which is all some systems allow.
BUCKETS: Final = 96
_USE: Final = struct.Struct(">16s16sQQ")


def bucket_of(name: str) -> int:
    """Which bucket ``name`` is in."""
    return crc32(name.encode()) % BUCKETS


class Spool(AbstractContextManager["Spool"]):
    """Records by bucket, in the order in which they were put there; gone when it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="faro-verify-")
        self._files: dict[int, BinaryIO] = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        self._folder.cleanup()

    def put(self, name: str, record: bytes) -> None:
        bucket = bucket_of(name)
        file = self._files.get(bucket)
        if file is None:
            file = self._files[bucket] = (Path(self._folder.name) / str(bucket)).open("w+b")
        file.write(record)

    def lines(self, bucket: int) -> Iterator[bytes]:
        """The records of a bucket whose records are lines, with their ends."""
        file = self._files.get(bucket)
        if file is not None:
            file.seek(0)
            yield from file

    def pieces(self, bucket: int, size: int) -> Iterator[bytes]:
        """The records of a bucket whose records all have this size."""
        file = self._files.get(bucket)
        if file is not None:
            file.seek(0)
            yield from iter(lambda: file.read(size), b"")


@dataclass(frozen=True, slots=True)
class Repeated:
    """The first use of an id that another has used before: its row, and the id's mark."""

    row: int
    mark: bytes


class Once:
    """Who used which id, and whether two did. Ids are remembered as 128 bits of BLAKE2b."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._uses = 0

    def use(self, id_: str, row: int, by: str | None = None) -> None:
        """``by`` says who: the same one may use an id again; without it every use is another."""
        self._uses += 1
        who = mark(str(self._uses) if by is None else by)
        self._spool.put(id_, _USE.pack(mark(id_), who, self._uses, row))

    def first_repeated(self) -> Repeated | None:
        """The earliest use of an id that somebody else used before it."""
        found: tuple[int, Repeated] | None = None
        for bucket in range(BUCKETS):
            users: dict[bytes, bytes] = {}
            for piece in self._spool.pieces(bucket, _USE.size):
                id_, who, use, row = _USE.unpack(piece)
                if users.setdefault(id_, who) != who and (found is None or use < found[0]):
                    found = use, Repeated(row, id_)
        return None if found is None else found[1]


def mark(text: str) -> bytes:
    """What an id is remembered by."""
    return blake2b(text.encode(), digest_size=16).digest()

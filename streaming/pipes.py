"""The pipes over which an encoder hands out its rungs: one each, inherited by number."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from types import TracebackType
from typing import Final

#: A second of the highest rung fits, so that a busy moment here does not hold the encoder up.
#: It is also what the kernel lets anybody have (/proc/sys/fs/pipe-max-size).
_PIPE_BYTES: Final = 1 << 20


class OutputPipes:
    """So many pipes, closed at the end on both sides however it ends."""

    def __init__(self, count: int) -> None:
        self._read_ends: list[int] = []
        self._write_ends: list[int] = []
        self._transports: list[asyncio.ReadTransport] = []
        for _ in range(count):
            read_end, write_end = os.pipe()  # not inheritable, unless passed on by number
            self._read_ends.append(read_end)
            self._write_ends.append(write_end)
            with contextlib.suppress(OSError):  # the user's pipes are at their limit: smaller ones
                fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def __enter__(self) -> OutputPipes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for transport in self._transports:
            transport.close()
        for end in [*self._read_ends, *self._write_ends]:
            os.close(end)
        self._read_ends, self._write_ends = [], []

    @property
    def write_ends(self) -> tuple[int, ...]:
        """File descriptors for the encoder."""
        return tuple(self._write_ends)

    async def readers(self) -> list[asyncio.StreamReader]:
        """Our ends, once the encoder has its own: from here on its end ends the reading."""
        for end in self._write_ends:
            os.close(end)
        self._write_ends = []
        return [await self._reader(self._read_ends.pop(0)) for _ in list(self._read_ends)]

    async def _reader(self, end: int) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(end, "rb", 0)
        )
        self._transports.append(transport)
        return reader

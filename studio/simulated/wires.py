"""The simulated studio's wires: line-speaking TCP ports on the loopback, and a pseudo-terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
_LINE_BYTES_MAX: Final = 4096
#: A reader that is this far behind is gone; a serial port would have lost the bytes as well.
_BACKLOG_BYTES_MAX: Final = 256 * 1024

#: Answers one line with bytes for that peer alone.
Answer = Callable[[bytes], bytes]


class Wire:
    """A TCP port: :meth:`say` speaks to every peer; each peer's lines are answered to it alone."""

    def __init__(self, name: str, answer: Answer) -> None:
        self._name = name
        self._answer = answer
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._pty: Pty | None = None
        #: Set once somebody has connected.
        self.connected = asyncio.Event()

    async def listen(self, port: int) -> int:
        """Open ``port`` (0: any free one) on the loopback; returns the port."""
        self._server = await asyncio.start_server(self._greet, HOST, port, limit=_LINE_BYTES_MAX)
        actual: int = self._server.sockets[0].getsockname()[1]
        return actual

    def attach(self, pty: Pty) -> None:
        """Also speak on a pseudo-terminal."""
        self._pty = pty

    def say(self, content: bytes) -> None:
        """Send to every peer; a peer that does not read is dropped."""
        for writer in list(self._writers):
            if writer.transport.get_write_buffer_size() > _BACKLOG_BYTES_MAX:
                writer.transport.abort()
                self._writers.discard(writer)
            else:
                writer.write(content)
        if self._pty is not None:
            self._pty.say(content)

    def cut(self) -> None:
        """Drop every TCP connection at once."""
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        """Stop listening, drop everybody, and wait until all is quiet."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pty is not None:
            self._pty.close()

    def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connected.set()
        log.info("connected", extra={"wire": self._name})
        try:
            while line := await reader.readline():
                reply = self._answer(line.strip())
                if reply:
                    writer.write(reply)
        except (ConnectionError, ValueError):
            pass  # gone, or a line beyond the limit: the peer may connect again
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            log.info("disconnected", extra={"wire": self._name})


class Pty:
    """A pseudo-terminal whose other end ``link`` names, for drivers of real serial ports."""

    def __init__(self, link: Path, answer: Answer) -> None:
        self._answer = answer
        self._held = b""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._slave = slave  # kept open, so that a reader may come and go
        self._link = link
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def say(self, content: bytes) -> None:
        # Where nobody reads, the bytes are lost, as on a cable.
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, content)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)

    def _read(self) -> None:
        *lines, rest = (self._held + os.read(self._master, _LINE_BYTES_MAX)).split(b"\n")
        self._held = rest[-_LINE_BYTES_MAX:]
        for line in lines:
            self.say(self._answer(line.strip()))

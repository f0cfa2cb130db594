"""The line between a browser and the house: a relay of bytes that a test can cut or freeze.

Chromium's own "offline" leaves open WebSockets alone; a cut here is one that both ends notice (the
sockets close), a freeze one that nobody notices: bytes stop, and nothing says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any

CHUNK = 65_536


class Line:
    """Listens on a free loopback port and carries each connection to ``port``."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._carried: set[asyncio.Task[None]] = set()
        self._through = asyncio.Event()
        self._refusing = False
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._run(self._listen())

    def cut(self) -> None:
        """Close every connection, and each new one at once, until ``restore``."""
        self._run(self._cut())

    def freeze(self) -> None:
        """Carry no byte in either direction until ``restore``; connections stay open."""
        self._run(self._set(through=False))

    def restore(self) -> None:
        """As before: what was frozen flows on, new connections are carried."""
        self._run(self._set(through=True))

    def stop(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _listen(self) -> None:
        self._through.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, *, through: bool) -> None:
        self._refusing = False
        if through:
            self._through.set()
        else:
            self._through.clear()

    async def _cut(self) -> None:
        self._refusing = True
        self._through.set()
        await self._end_carried()

    async def _end_carried(self) -> None:
        running = list(self._carried)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._end_carried()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        try:
            if not self._refusing:
                await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # an end went away, or the line was cut: both sides see their socket close
        finally:
            self._carried.discard(task)
            await _closed(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        house_reader, house_writer = await asyncio.open_connection("127.0.0.1", self.target)
        ways = [
            asyncio.ensure_future(self._pump(reader, house_writer)),
            asyncio.ensure_future(self._pump(house_reader, writer)),
        ]
        try:
            # the house answers and closes, or the browser does: either ends both ways
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await _closed(house_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._through.wait()
            writer.write(data)
            await _quietly(writer.drain())


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await _quietly(writer.wait_closed())


async def _quietly(work: Awaitable[None]) -> None:
    with contextlib.suppress(OSError):
        await work

"""Connections to devices: TCP or a serial port, opened again for ever with growing pauses."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import termios
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from studio.devices.archive import Archive
from studio.devices.slingshot.driver import CLOSED, OPENED
from studio.transcript import Direction

log = logging.getLogger(__name__)

_RETRY_S: Final = (0.05, 5.0)
_CONNECT_S: Final = 3.0
_READ_BYTES: Final = 4096
_BACKLOG_BYTES_MAX: Final = 64 * 1024
TCP: Final = "tcp://"


class Listener(Protocol):
    """Who hears a device."""

    def opened(self, at_ms: int) -> None: ...

    def heard(self, content: bytes, at_ms: int) -> None: ...

    def lost(self, at_ms: int) -> None: ...


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class Link:
    """One device's connection. Raw bytes are archived before the listener sees them."""

    def __init__(self, name: str, address: str, archive: Archive, listener: Listener) -> None:
        self.name, self._address = name, address
        self._archive, self._listener = archive, listener
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Whether the device's line is open now."""
        return self._writer is not None

    async def run(self) -> None:
        """Connect, listen, connect again, until cancelled."""
        failures = 0
        while True:
            try:
                streams = await asyncio.wait_for(_open(self._address), _CONNECT_S)
            except (OSError, TimeoutError) as error:
                if failures == 0:
                    log.warning("no device", extra={"device": self.name, "why": str(error)})
                    self._listener.lost(monotonic_us() // 1000)
                await asyncio.sleep(min(_RETRY_S[0] * (1 << min(failures, 10)), _RETRY_S[1]))
                failures += 1
                continue
            failures = 0
            await self._listen(streams)
            await asyncio.sleep(_RETRY_S[0])

    def write(self, content: bytes, *, archived: bool = True) -> None:
        """Send to the device if it is there and reads; what it misses is not repeated."""
        writer = self._writer
        if writer is None or writer.transport.get_write_buffer_size() > _BACKLOG_BYTES_MAX:
            return
        if archived:
            self._archive.keep(monotonic_us(), Direction.TO_DEVICE, content)
        writer.write(content)

    async def _listen(self, streams: _Streams) -> None:
        self._writer = streams.writer
        now_us = monotonic_us()
        self._archive.keep(now_us, Direction.MARK, OPENED)
        log.info("device connected", extra={"device": self.name})
        self._listener.opened(now_us // 1000)
        try:
            while content := await streams.reader.read(_READ_BYTES):
                now_us = monotonic_us()
                self._archive.keep(now_us, Direction.FROM_DEVICE, content)
                self._listener.heard(content, now_us // 1000)
        except OSError as error:
            log.warning("device broke", extra={"device": self.name, "why": str(error)})
        finally:
            self._writer = None
            streams.close()
            now_us = monotonic_us()
            self._archive.keep(now_us, Direction.MARK, CLOSED)
        log.warning("device disconnected", extra={"device": self.name})
        self._listener.lost(now_us // 1000)


@dataclass(frozen=True, slots=True)
class _Streams:
    """Both ways of one connection, and how to end it at once."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    close: Callable[[], None]


async def _open(address: str) -> _Streams:
    if not address.startswith(TCP):
        return await _open_serial(address)
    host, _, port = address.removeprefix(TCP).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    return _Streams(reader, writer, writer.transport.abort)


async def _open_serial(path: str) -> _Streams:
    """A terminal device as streams: 9600 baud, 8 bits, no parity, one stop bit, no flow control."""
    handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    if not stat.S_ISCHR(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is not a terminal device")
    tty.setraw(handle)
    modes = termios.tcgetattr(handle)
    modes[2] &= ~(termios.CRTSCTS | termios.CSTOPB | termios.PARENB)
    modes[2] |= termios.CLOCAL | termios.CREAD
    modes[4] = modes[5] = termios.B9600
    termios.tcsetattr(handle, termios.TCSANOW, modes)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    incoming = os.fdopen(handle, "rb", buffering=0)
    outgoing = os.fdopen(os.dup(handle), "wb", buffering=0)
    reading, _ = await loop.connect_read_pipe(lambda: protocol, incoming)
    writing, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, outgoing)

    def close() -> None:
        reading.close()
        writing.abort()

    return _Streams(reader, asyncio.StreamWriter(writing, flow, reader, loop), close)

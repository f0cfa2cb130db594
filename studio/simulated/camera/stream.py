"""The camera's socket: an endless YUV4MPEG2 stream in wall-clock time to whoever connects.

A live camera does not wait. One frame is painted per tick for all clients, none without clients;
a client that has not taken its last frame yet misses this one, and nobody else notices. Painting
happens on the event loop, some milliseconds at a time; reading the pictures in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

from kernel.clock import Clock, epoch_ms
from studio.lifetime import until_woken
from studio.simulated.camera.code import Stamp, draw_code
from studio.simulated.camera.picture import FramePainter, assets
from studio.simulated.camera.planes import FRAME_BYTES, HEIGHT, WIDTH, on_buffer
from studio.simulated.camera.scene import look
from studio.simulated.table import TableSimulation
from studio.simulated.wires import HOST

log = logging.getLogger(__name__)

_FRAME: Final = b"FRAME\n"
_CLIENTS_MAX: Final = 8
#: The shutter is open for a quarter of a thirtieth: fast balls blur, numbers stay legible.
_SHUTTER_S: Final = 1 / 120


class CameraStream:
    """One table's camera. ``studio_s`` tells the studio's time, ``speed`` how fast it runs."""

    def __init__(
        self, simulation: TableSimulation, studio_s: Callable[[], float], speed: float, clock: Clock
    ) -> None:
        self._simulation = simulation
        self._studio_s = studio_s
        self._speed = speed
        self._clock = clock
        self._clients: set[asyncio.StreamWriter] = set()
        self._watched = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._buffer = bytearray(_FRAME) + bytearray(FRAME_BYTES)
        self._planes = on_buffer(self._buffer, len(_FRAME))
        #: Frames painted, and frames that some client missed.
        self.painted = 0
        self.missed = 0

    async def listen(self, port: int, frames_per_second: int) -> int:
        """Open ``port`` (0: any free one) on the loopback; returns the port."""
        header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{frames_per_second}:1 Ip A1:1 C420jpeg\n".encode()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(reader, writer, header)

        self._server = await asyncio.start_server(greet, HOST, port)
        actual: int = self._server.sockets[0].getsockname()[1]
        return actual

    async def run(self, name: str, frames_per_second: int) -> None:
        """Paint and send until cancelled."""
        # read before anybody looks: an encoder that waits for it for seconds takes us for dead
        given = await asyncio.to_thread(assets)
        painter = await asyncio.to_thread(FramePainter, given, name)
        loop, wake = asyncio.get_running_loop(), asyncio.Event()
        began = loop.time()
        while True:
            if not self._clients:
                self._watched.clear()
                await self._watched.wait()
            # The tick's number follows from the clock: a late loop skips ticks, it does not hurry.
            tick = math.floor((loop.time() - began) * frames_per_second) + 1
            await until_woken(wake, began + tick / frames_per_second)
            self._paint(painter, tick)
            self._send()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._clients):
            writer.transport.abort()
        self._clients.clear()

    def _paint(self, painter: FramePainter, tick: int) -> None:
        shutter_s = _SHUTTER_S * self._speed
        sight = look(self._simulation, self._studio_s(), assets().profile, shutter_s)
        now = self._clock.now()
        painter.paint(self._planes, sight, now)
        draw_code(self._planes.y, Stamp(epoch_ms(now), tick))
        self.painted += 1

    def _send(self) -> None:
        # A copy, since newer Pythons keep a reference to what is not sent yet.
        content = bytes(self._buffer)
        for writer in list(self._clients):
            if writer.transport.get_write_buffer_size() > 0:
                self.missed += 1
            else:
                writer.write(content)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, header: bytes
    ) -> None:
        """Keep a client until it hangs up; what it says is not heard."""
        if len(self._clients) >= _CLIENTS_MAX:
            writer.transport.abort()
            return
        writer.write(header)
        self._clients.add(writer)
        self._watched.set()
        log.info("camera watched", extra={"clients": len(self._clients)})
        try:
            while await reader.read(1024):
                pass
        except ConnectionError:
            pass  # hung up by reset
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

"""A camera under test: YUV4MPEG2 over TCP in wall-clock time, with the burnt-in clock."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import numpy as np

from studio.simulated.camera.code import Stamp, draw_code

WIDTH, HEIGHT = 960, 540


class RawCamera:
    """Sends to one client at a time; ``stop`` hangs up and closes the port, ``start`` opens it."""

    def __init__(self, frames_per_second: int) -> None:
        self.frames_per_second = frames_per_second
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self._send_all(client)

    def _send_all(self, client: socket.socket) -> None:
        rate = self.frames_per_second
        client.sendall(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT, rate))
        luma = np.tile(np.linspace(40, 200, WIDTH, dtype=np.uint8), (HEIGHT, 1))
        chroma = b"\x80" * (WIDTH * HEIGHT // 2)
        began, frame = time.monotonic(), 0
        while not self._stopped.is_set():
            frame += 1
            time.sleep(max(0, began + frame / rate - time.monotonic()))
            luma[100:140] = np.roll(luma[100:140], 7, axis=1)  # something moves
            draw_code(luma, Stamp(time.time_ns() // 1_000_000, frame))
            client.sendall(b"FRAME\n" + luma.tobytes() + chroma)

"""A camera that sends over SRT or RTMP: dialled by us, or dialling us, and lost in between."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import contextmanager

import pytest

from casino.embedded.postgres import free_port
from kernel.clock import monotonic_ms
from streaming.encoder import find_ffmpeg
from tests.flows.stream_process import Stream, alive

LADDER = [{"name": "180p", "height": 180, "frames_per_second": 10, "rate_kbps": 200}]
PICTURES = "testsrc=size=320x180:rate=10"


@contextmanager
def sender(kind: str, *output: str):
    """A hardware encoder's stand-in: an endless test picture, tried again until somebody hears."""
    words = [find_ffmpeg(os.environ), "-v", "error", "-re", "-f", "lavfi", "-i", PICTURES]
    words += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"]
    words += ["-pix_fmt", "yuv420p", "-f", kind, *output]
    again = ["sh", "-c", 'while :; do "$@"; sleep 0.3; done', "sender", *words]
    running = subprocess.Popen(again, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


@pytest.fixture
def started(tmp_path):
    made = []

    def start(camera: str) -> Stream:
        source = {"id": "alexandria", "name": "Alexandria", "camera": camera, "ladder": LADDER}
        made.append(Stream(tmp_path, [source]))
        return made[-1]

    yield start
    for one in made:
        one.end()


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def plays(stream: Stream) -> bool:
    return len(stream.playlist_where(lambda read: len(read.segments) >= 2).segments) >= 2


def test_a_camera_that_listens_for_srt_is_dialled(started):
    address = f"srt://127.0.0.1:{free_udp_port()}"
    with sender("mpegts", f"{address}?mode=listener"):
        assert plays(started(address))


def test_a_camera_that_dials_over_srt_is_heard_and_heard_again_after_a_cut(started):
    address = f"srt://127.0.0.1:{free_udp_port()}"
    stream = started(f"{address}?mode=listener")
    with sender("mpegts", address):
        assert plays(stream)
    before = stream.playlist().media_sequence + len(stream.playlist().segments)
    with sender("mpegts", address):
        stream.playlist_where(lambda read: read.media_sequence + len(read.segments) > before + 1)


def test_a_camera_that_listens_for_rtmp_is_dialled(started):
    address = f"rtmp://127.0.0.1:{free_port()}/live/alexandria"
    with sender("flv", "-listen", "1", address):
        assert plays(started(address))


def test_a_camera_that_dials_over_rtmp_is_heard(started):
    address = f"rtmp://127.0.0.1:{free_port()}/live/alexandria"
    stream = started(f"{address}?mode=listener")
    with sender("flv", address):
        assert plays(stream)


def test_an_encoder_that_waits_for_its_camera_dies_with_its_stream_process(started):
    stream = started(f"srt://127.0.0.1:{free_udp_port()}?mode=listener")
    (encoder,) = stream.wait_for(stream.encoders)
    assert alive(encoder)
    stream.process.kill()
    stream.process.wait()
    deadline = monotonic_ms() + 5_000
    while alive(encoder):
        assert monotonic_ms() < deadline

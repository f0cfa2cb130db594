"""A stream process under test, and what a decoder of its own finds in what it sends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import m3u8

from streaming.encoder import find_ffmpeg

ROOT = Path(__file__).resolve().parents[2]
SITE = "http://127.0.0.1:8000"
WAIT_S = 30  # on a busy machine; nothing waits this long when it works


class Stream:
    """A stream process on a free port, and what it logged."""

    def __init__(self, home: Path, tables: list[dict]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.state = home / "state"
        config = home / "stream.json"
        config.write_text(
            json.dumps(
                {
                    "state_dir": str(self.state),
                    "port": 0,
                    "allowed_origins": [SITE],
                    "tables": tables,
                }
            )
        )
        self.log = home / "stream.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streaming.serve", "--config", str(config)],
                cwd=ROOT,
                stderr=log,
            )
        self.port = self.wait_for(lambda: self.logged("listening"))[0]["port"]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=5)

    def logged(self, event: str) -> list[dict]:
        lines = self.log.read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def wait_for(self, what):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if found := what():
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def playlist(self, table="alexandria", rung="180p"):
        """The media playlist of a rung, once there is one."""

        def fetch():
            reply = self.http.get(f"/live/{table}/{rung}/video.m3u8")
            return m3u8.loads(reply.text) if reply.status_code == 200 else None

        return self.wait_for(fetch)

    def playlist_where(self, holds, table="alexandria", rung="180p"):
        def fetch():
            read = self.playlist(table, rung)
            return read if holds(read) else None

        return self.wait_for(fetch)

    def encoders(self) -> list[int]:
        return [line["pid"] for line in self.logged("encoder_started")]

    def stop(self) -> int:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def end(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def decoded_frames(data: bytes) -> int:
    """How many pictures an independent decoder finds."""
    done = subprocess.run(
        [
            *(find_ffmpeg(os.environ), "-v", "error", "-i", "pipe:0"),
            *("-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"),
        ],
        input=data,
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == b""
    assert len(done.stdout) % (320 * 180) == 0
    return len(done.stdout) // (320 * 180)

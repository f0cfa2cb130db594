"""The options of `bin/up`."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from streaming.config import SCHEMES

ROOT = Path(__file__).resolve().parent.parent.parent
#: `--check` does not wait for real-time rounds: a 47 s round takes 10 s, of which betting is open
#: for 2 s, time enough for three forms on a busy machine.
CHECK_SPEED = 5


@dataclass(frozen=True, slots=True)
class Options:
    """One call of `bin/up`, checked."""

    state: Path
    port: int
    speed: int
    seed: int
    server: str
    check: bool
    reset: bool
    camera: str | None  # a URL or an absolute path


def parse(words: list[str]) -> Options:
    """Options from the command line; argparse ends the process on a bad one."""
    parser = argparse.ArgumentParser(
        prog="bin/up",
        description="Run all of Faro on this machine: PostgreSQL and Valkey included, unless "
        "DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL name real servers.",
    )
    parser.add_argument("--port", type=int, default=8000, help="of the web pages (default 8000)")
    parser.add_argument(
        "--speed", type=int, default=None, help="demo rounds this many times faster (default 1)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the demo data (default 1)")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("FARO_STATE_DIR", ROOT / "var")),
        help="directory for data and logs (default var/)",
    )
    parser.add_argument("--server", choices=("daphne", "uvicorn"), default="daphne")
    parser.add_argument("--reset", action="store_true", help="forget all data first")
    parser.add_argument(
        "--check",
        action="store_true",
        help="start everything in a throw-away directory, play one round as a player, stop, and "
        "print one line of JSON",
    )
    parser.add_argument(
        "--camera",
        metavar="FILE|URL",
        help="the first table's picture: a video file (played for ever), or what ffmpeg reads "
        "(srt, rtmp, rtsp, http(s), udp; tcp for YUV4MPEG2); default: the simulated camera",
    )
    given = parser.parse_args(words)
    if given.speed is not None and not 1 <= given.speed <= 100:
        parser.error("--speed is between 1 and 100")
    if not 0 <= given.port <= 65535:
        parser.error("--port is between 0 (any free one) and 65535")
    return Options(
        state=given.state.absolute(),
        port=given.port,
        speed=given.speed or (CHECK_SPEED if given.check else 1),
        seed=given.seed,
        server=given.server,
        check=given.check,
        reset=given.reset,
        camera=_camera(parser, given.camera),
    )


def _camera(parser: argparse.ArgumentParser, given: str | None) -> str | None:
    """A file that is there, as an absolute path, or an address that ffmpeg reads."""
    if given is None or urlsplit(given).scheme in SCHEMES:
        return given
    if "://" in given:
        parser.error(f"--camera takes {', '.join(sorted(SCHEMES))} addresses, or a file")
    if not Path(given).is_file():
        parser.error(f"--camera: there is no file {given}")
    return str(Path(given).absolute())

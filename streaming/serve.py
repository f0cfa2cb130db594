"""The ``stream`` process: ``python -m streaming.serve --config FILE.json``.

Runs one encoder per table and serves what they make. SIGTERM and SIGINT stop everything that it
started. Exit status: 0 stopped as asked, 1 could not go on, 2 the configuration is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvicorn

from kernel.clock import Clock, SystemClock
from streaming import logs
from streaming.config import ConfigError, StreamConfig, TableSource, load
from streaming.encoder import PIPELINE, find_ffmpeg
from streaming.feed import Feed
from streaming.live import Live
from streaming.origin import Origin
from streaming.window import Shape

#: More viewers than this at one origin are answered 503 at once instead of slowly.
_CONNECTIONS_MAX: Final = 2000
_KEEP_ALIVE_SECONDS: Final = 15
_DRAIN_SECONDS: Final = 2


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: this process stops its encoders first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m streaming.serve", description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="JSON file; see streaming.config"
    )
    clock = SystemClock()
    logs.set_up(clock)
    try:
        config = load(parser.parse_args(arguments).config)
        ffmpeg = find_ffmpeg(os.environ)
    except ConfigError as error:
        logs.say("bad_configuration", level=logging.ERROR, why=str(error))
        return 2
    try:
        listener = socket.create_server((config.host, config.port), backlog=1024)
        feeds = _feeds(config, ffmpeg, clock)
    except OSError as error:
        where = f"{config.host}:{config.port}"
        logs.say("cannot_start", level=logging.ERROR, why=str(error), address=where)
        return 1
    with listener:
        return asyncio.run(_serve(config, feeds, listener))


def _feeds(config: StreamConfig, ffmpeg: str, clock: Clock) -> dict[str, Feed]:
    return {source.id: _feed(source, config.state_dir, ffmpeg, clock) for source in config.tables}


def _feed(source: TableSource, state_dir: Path, ffmpeg: str, clock: Clock) -> Feed:
    delay = PIPELINE + timedelta(milliseconds=source.camera_delay_ms)
    live = Live(state_dir / source.id, source.ladder, Shape(), clock, delay=delay)
    return Feed(source, live, ffmpeg, clock)


async def _serve(config: StreamConfig, feeds: dict[str, Feed], listener: socket.socket) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = _Server(
        uvicorn.Config(
            Origin(feeds, config.allowed_origins),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )
    stopping = asyncio.create_task(stop.wait())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    running = [asyncio.create_task(feed.run()) for feed in feeds.values()]
    logs.say("listening", host=config.host, port=listener.getsockname()[1], tables=list(feeds))
    await asyncio.wait([stopping, serving, *running], return_when=asyncio.FIRST_COMPLETED)
    asked = stop.is_set()
    for task in running:
        task.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    server.should_exit = True
    stopping.cancel()
    await asyncio.gather(serving, stopping, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):  # a bug: one feed's death ends the process, loudly
            logs.logger.error("feed_died", exc_info=error)
    logs.say("stopped", asked=asked)
    return 0 if asked else 1


if __name__ == "__main__":
    sys.exit(main())

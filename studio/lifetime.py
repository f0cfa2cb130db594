"""How the studio's processes live: run until told to stop, sleep until woken, end cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterable
from typing import Any

from studio.logs import log_to_stderr
from studio.settings_file import BadConfig


async def until_stopped(stop: asyncio.Event, works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run ``works`` until ``stop`` is set or one ends; then cancel all and wait for them.

    A work that failed raises here, so that the process ends and its supervisor sees it.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    stopper = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait({*tasks, stopper}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, stopper):
            task.cancel()
        await asyncio.gather(*tasks, stopper, return_exceptions=True)
    for task in done & set(tasks):
        task.result()


async def until_woken(wake: asyncio.Event, at: float) -> None:
    """Sleep until ``at`` by the loop's clock, or until ``wake`` is set; clears it."""
    handle = asyncio.get_running_loop().call_at(at, wake.set)
    try:
        await wake.wait()
    finally:
        handle.cancel()
        wake.clear()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def run_process(name: str, work: Coroutine[Any, Any, None]) -> int:
    """Run ``work`` as the process ``name``; returns its exit status.

    0: stopped when told; 2: one line says why it cannot run (configuration, a port in use).
    """
    log_to_stderr(name)
    try:
        asyncio.run(work)
    except (BadConfig, OSError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0

"""Hints to workers that events wait, sent by a thread of their own: no answer waits for Valkey.

A hint is worth nothing by itself: the rows are the queue, and the sweep finds what no hint told of.
So a few that came together are sent as one, and where too many wait some are dropped.
"""

from __future__ import annotations

import queue
import threading
from typing import Final
from uuid import UUID

import structlog
from kombu.exceptions import OperationalError

from payments.tasks import apply_events

log = structlog.get_logger(__name__)

#: Hints that wait for Valkey at most; beyond it the sweep, within ten seconds, is as good.
WAITING_MAX: Final = 1_000
#: How long the first of several waits for others, which nobody who looks at a page notices.
TOGETHER_S: Final = 0.05
TOGETHER_MAX: Final = 100

_waiting: queue.Queue[UUID] = queue.Queue(WAITING_MAX)
_start = threading.Lock()
_threads: list[threading.Thread] = []


def hint(row_id: UUID) -> None:
    """Have a worker told of a stored event, soon. Never waits and never fails."""
    try:
        _waiting.put_nowait(row_id)
    except queue.Full:
        log.warning("webhook_hint_lost", row=str(row_id))
    else:
        _ensure_running()


def _ensure_running() -> None:
    if _threads and _threads[-1].is_alive():
        return
    with _start:
        if not _threads or not _threads[-1].is_alive():
            _threads[:] = [threading.Thread(target=_send_for_ever, name="hints", daemon=True)]
            _threads[0].start()


def _send_for_ever() -> None:
    while True:
        found = [_waiting.get()]
        try:
            while len(found) < TOGETHER_MAX:
                found.append(_waiting.get(timeout=TOGETHER_S))
        except queue.Empty:
            pass
        send(found)


def send(row_ids: list[UUID]) -> None:
    """Tell a worker of these events; where Valkey is away the sweep finds them."""
    try:
        apply_events.apply_async(([str(one) for one in row_ids],), retry=False)
    except (OperationalError, OSError):
        log.warning("webhook_hint_lost", events=len(row_ids))

"""The intake: where slips of many requests become one batch.

One worker thread per table and process. While a batch commits the next one forms by itself, and one
player alone waits for nobody (measured elsewhere: 23,000 bets a second against 780 when each bet
commits alone). At most one batch is in flight per process and table. After a large batch the next
one waits a few milliseconds for the same crowd: without, the first to bet again got a transaction
alone and everybody else waited for it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from time import monotonic
from typing import Final

from django.db import DatabaseError, connections

from audit.shared_connections import give_back, take_own
from kernel.refusal import Refused
from tables import locks
from tables.bets.betting import BATCH_MAX, STAKES_MAX, Answer, place_batch
from tables.bets.slips import BettingCode, PlaceBets, Receipt

log = logging.getLogger(__name__)

#: Slips waiting per table and process; beyond it the house says so instead of queueing.
QUEUE_MAX: Final = 5_000
#: How long a request waits for its answer. The bet may still be taken afterwards: the key tells.
ANSWER_TIMEOUT_S: Final = 5.0
#: A batch of so many slips was a crowd, and how long after its answers the next batch waits for it
#: to come back. A hundred players who bet again at once need about 9 ms in one process. A batch of
#: one costs 17, and two of fifty cost 40 where one of a hundred costs 27. Who bets later waits for
#: nobody.
CROWD: Final = 8
GATHER_S: Final = 0.010
#: Conflicts with other processes (lock time-out, deadlock, the same key at two tables at once)
#: are retried whole, then in halves.
TRIES_WHOLE: Final = 3

Batch = Callable[[str, Sequence[PlaceBets]], list[Answer]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    slip: PlaceBets
    answer: Future[Answer]


class TableIntake:
    """The intake of one table in this process."""

    def __init__(self, table_id: str, *, place: Batch = place_batch) -> None:
        self._table_id = table_id
        self._place = place
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._crowd = 0
        self._answered_at = 0.0
        #: So many waiting slips are worth waking the worker for.
        self._enough = 1

    def submit(self, slip: PlaceBets) -> Future[Answer]:
        """Queue ``slip``; the future ends with its answer. Refuses with ``BUSY`` when full."""
        waiting = _Waiting(slip, Future())
        with self._wake:
            if len(self._queue) >= QUEUE_MAX:
                raise Refused(BettingCode.BUSY, waiting=QUEUE_MAX)
            self._queue.append(waiting)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name=f"intake-{self._table_id}", daemon=True
                )
                self._thread.start()
            if len(self._queue) >= self._enough:
                self._wake.notify()
        return waiting.answer

    def _work(self) -> None:
        """Batch after batch; after a while without any, the connection is closed."""
        take_own()
        try:
            while batch := self._next_batch():
                self._answer(batch)
        finally:
            connections.close_all()

    def _next_batch(self) -> list[_Waiting]:
        with self._wake:
            if not self._queue and not self._wake.wait_for(lambda: bool(self._queue), timeout=30):
                self._thread = None  # under the lock: the next slip starts a new thread
                return []
            self._gather()
            return self._taken()

    def _gather(self) -> None:
        """Wait for the crowd just answered, who waits already with them. Needs the lock.

        Else a crowd falls into two that take turns, at what two batches cost.
        """
        left_s = self._answered_at + GATHER_S - monotonic()
        if left_s > 0:
            self._enough = self._crowd
            self._wake.wait_for(lambda: len(self._queue) >= self._enough, timeout=left_s)
            self._enough = 1

    def _taken(self) -> list[_Waiting]:
        """As many slips as one batch may hold, oldest first. Needs the lock and a slip."""
        batch = [self._queue.popleft()]
        stakes = len(batch[0].slip.stakes)
        while self._queue and len(batch) < BATCH_MAX:
            stakes += len(self._queue[0].slip.stakes)
            if stakes > STAKES_MAX:
                break
            batch.append(self._queue.popleft())
        return batch

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            answers = place_with_retries(
                self._table_id, [waiting.slip for waiting in batch], place=self._place
            )
        except Exception as error:
            log.exception("intake batch failed", extra={"table": self._table_id})
            connections.close_all()
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        if len(batch) >= CROWD:
            self._crowd = min(len(batch) + len(self._queue), BATCH_MAX)
            self._answered_at = monotonic()
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.answer.set_result(answer)


def place_with_retries(
    table_id: str, slips: Sequence[PlaceBets], *, place: Batch = place_batch
) -> list[Answer]:
    """``place`` with conflicts retried; a batch that keeps failing is halved down to single slips.

    So no slip poisons the others. A single slip that still meets a conflict is refused ``BUSY``:
    nothing of it was committed, and its key may be used again.
    """
    for _ in range(TRIES_WHOLE):
        try:
            return place(table_id, slips)
        except DatabaseError as conflict:
            if not locks.is_conflict(conflict):
                raise
            log.warning("batch of %d met a conflict: %s", len(slips), _first_line(conflict))
            connections.close_all()
    if len(slips) == 1:
        return [Refused(BettingCode.BUSY, waiting=0)]
    half = len(slips) // 2
    return [
        *place_with_retries(table_id, slips[:half], place=place),
        *place_with_retries(table_id, slips[half:], place=place),
    ]


_intakes: dict[str, TableIntake] = {}
_intakes_lock = threading.Lock()


def submit(slip: PlaceBets) -> Future[Answer]:
    """Queue ``slip`` at this process's intake of its table; returns at once. ``BUSY`` when full.

    The future must not be cancelled: the batch that holds the slip sets it.
    """
    with _intakes_lock:
        intake = _intakes.setdefault(slip.table_id, TableIntake(slip.table_id))
    return intake.submit(slip)


def take_bets(slip: PlaceBets) -> Receipt:
    """Bet through this process's intake and wait for the commit. Raises the slip's ``Refused``.

    ``BUSY`` after ``ANSWER_TIMEOUT_S``: the answer is not known yet, and asking again with the same
    key tells it.
    """
    future = submit(slip)
    give_back()
    try:
        answer = future.result(ANSWER_TIMEOUT_S)
    except FutureTimeout:
        raise Refused(BettingCode.BUSY, waiting=0) from None
    if isinstance(answer, Refused):
        raise answer
    return answer


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

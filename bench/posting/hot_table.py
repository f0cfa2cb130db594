"""A hundred players at one table, each betting again as soon as the last bet is answered.

Through the intake as a web process does it: queue, batch, gate with permits and limits, bets,
ledger, one commit.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import Future
from time import perf_counter
from typing import Final

from bench.database.cpu import server_cpu_s
from bench.posting.batches import Rate
from kernel.ids import PlayerId, new_id
from tables.bets.betting import Answer
from tables.bets.intake import TableIntake
from tables.bets.slips import PlaceBets, place_bets

STAKE_MINOR: Final = 50


def measure(
    table: str,
    people: Sequence[PlayerId],
    *,
    round_number: int,
    seconds: float,
    postmaster: int,
) -> tuple[Rate, list[float]]:
    """Bets of ``people`` for ``seconds``, and how long each waited for its answer, in ms."""
    intake = TableIntake(table)
    answered: queue.SimpleQueue[tuple[PlayerId, float, Future[Answer]]] = queue.SimpleQueue()
    waits: list[float] = []

    def bet(player: PlayerId) -> None:
        at = perf_counter()
        intake.submit(_slip(player, table, round_number)).add_done_callback(
            lambda future: answered.put((player, (perf_counter() - at) * 1_000, future))
        )

    before, started = server_cpu_s(postmaster), perf_counter()
    for player in people:
        bet(player)
    waiting = len(people)
    while waiting:
        player, waited_ms, future = answered.get(timeout=60)
        answer = future.result()
        if isinstance(answer, BaseException):
            raise answer
        waits.append(waited_ms)
        if perf_counter() - started < seconds:
            bet(player)
        else:
            waiting -= 1
    took = perf_counter() - started
    return Rate(len(waits), took, server_cpu_s(postmaster) - before), waits


def _slip(player: PlayerId, table: str, round_number: int) -> PlaceBets:
    return place_bets(
        player,
        table,
        key=new_id().hex,
        currency="EUR",
        stakes=[("red", STAKE_MINOR)],
        round_number=round_number,
    )

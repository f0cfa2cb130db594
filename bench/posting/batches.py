"""Stakes posted in batches by several processes: what the ledger does on an evening.

Every stake has its permit, every trigger is on. ``bare`` leaves the permits out (payouts from an
escrow to players), for a ledger whose triggers somebody switched off to see what they cost.
"""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from time import perf_counter

from django.db import connections, transaction

from bench.database.cpu import server_cpu_s
from bench.posting import accounts as ours
from kernel.ids import AccountId, new_id
from ledger import permits
from ledger.posting import post
from ledger.postings import Transfer, TransferKind

#: More than a bare worker pays out of its escrow while it is measured.
FILLED_MINOR = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What was measured: units done, in how many seconds, for how much of the server's time."""

    done: int
    seconds: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.done / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.done * 1e6


def measure(
    cash: Sequence[AccountId],
    *,
    seconds: float,
    postmaster: int,
    size: int = 1_000,
    processes: int = 2,
    bare: bool = False,
) -> Rate:
    """Post batches of ``size`` for ``seconds`` from so many processes with players of their own."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    share = len(cash) // processes
    workers = [
        context.Process(
            target=_work,
            args=(cash[i * share : (i + 1) * share], i * share + 1, size, seconds, results),
            kwargs={"bare": bare},
        )
        for i in range(processes)
    ]
    before, started = server_cpu_s(postmaster), perf_counter()
    for worker in workers:
        worker.start()
    done = sum(results.get(timeout=seconds + 120) for _ in workers)
    for worker in workers:
        worker.join()
    return Rate(done, perf_counter() - started, server_cpu_s(postmaster) - before)


def _work(
    cash: Sequence[AccountId],
    first: int,
    size: int,
    seconds: float,
    results: Queue[int],
    *,
    bare: bool,
) -> None:
    chance = secrets.SystemRandom()
    other = ours.filled_escrow(FILLED_MINOR) if bare else ours.escrow()
    until, done = perf_counter() + seconds, 0
    while perf_counter() < until:
        chosen = chance.sample(range(len(cash)), size)
        with transaction.atomic():
            transfers = (
                [
                    Transfer(new_id(), other, cash[i], 1, TransferKind.PAYOUT, "bench")
                    for i in chosen
                ]
                if bare
                else _stakes(cash, first, chosen, other)
            )
            post(key=f"bench:{new_id()}", kind="bench", actor=ours.BENCH, transfers=transfers)
        done += size
    connections.close_all()
    results.put(done)


def _stakes(
    cash: Sequence[AccountId], first: int, chosen: Sequence[int], into: AccountId
) -> list[Transfer]:
    grants = [
        permits.Grant(new_id(), f"player:{first + i}", TransferKind.STAKE, ours.CURRENCY, 1)
        for i in chosen
    ]
    permits.issue(grants)
    return [
        Transfer(new_id(), cash[i], into, 1, TransferKind.STAKE, "bench", permit=grant.id)
        for i, grant in zip(chosen, grants, strict=True)
    ]

"""Players who bet through the intake from several processes, and are excluded in the midst of it.

How many of a player's bets are there is read in the transaction that excludes them, while it holds
their lock. Whatever there is more in the end was committed after it.
"""

from __future__ import annotations

import multiprocessing
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import OperationalError, connections, transaction

from audit.database_clock import database_now
from compliance import exclusion, play_time
from kernel.ids import Actor, PlayerId, new_id
from tables.bets.intake import place_with_retries
from tables.bets.slips import Receipt, place_bets
from tables.models import Bet
from tests import sockets
from tests.simulation import gate_faults

CHANCE = secrets.SystemRandom()
SLIPS = 8


@dataclass
class Writers:
    """Processes that bet for these players at one table until told to stop."""

    bets: Any
    refused: Any
    stop: Any

    def have_bet(self, count: int, timeout_s: float = 60) -> None:
        until = time.monotonic() + timeout_s
        aim = self.bets.value + count
        while self.bets.value < aim:
            if time.monotonic() > until:
                raise AssertionError("nobody bets")
            time.sleep(0.005)


@contextmanager
def writers(
    table_id: str, players: Sequence[PlayerId], *, processes: int = 2, fault: str = ""
) -> Iterator[Writers]:
    """Betting processes, ended with the block. Begin them before any thread of the caller's."""
    context = multiprocessing.get_context("fork")
    made = Writers(context.Value("q", 0), context.Value("q", 0), context.Event())
    connections.close_all()
    working = [
        context.Process(target=_bet, args=(table_id, list(players), made, fault))
        for _ in range(processes)
    ]
    for one in working:
        one.start()
    try:
        yield made
    finally:
        made.stop.set()
        for one in working:
            one.join(60)
    if any(one.exitcode for one in working):
        raise RuntimeError(f"a writer ended with {[one.exitcode for one in working]}")


def _bet(table_id: str, players: list[PlayerId], made: Writers, fault: str) -> None:
    connections.close_all()
    gate_faults.put_in(fault)
    while not made.stop.is_set():
        slips = [
            place_bets(player, table_id, key=new_id().hex, currency="EUR", stakes=[("red", 50)])
            for player in CHANCE.sample(players, min(SLIPS, len(players)))
        ]
        try:
            answers = place_with_retries(table_id, slips)
        except OperationalError:  # a lock that others held for too long: nothing was bet
            connections.close_all()
            continue
        taken = sum(isinstance(answer, Receipt) for answer in answers)
        with made.bets.get_lock():
            made.bets.value += taken
        with made.refused.get_lock():
            made.refused.value += len(answers) - taken
    connections.close_all()


@dataclass
class Excluded:
    """What was seen of each exclusion."""

    #: Bets of the player that its own transaction saw.
    before: dict[PlayerId, int] = field(default_factory=dict)
    #: From the commit to the end of each of the player's sockets, in seconds, and how it was told.
    cut_s: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def bets_after(self) -> int:
        return sum(
            Bet.objects.filter(player_id=player).count() - before
            for player, before in self.before.items()
        )


def exclude(player: PlayerId, found: Excluded, pages: Sequence[sockets.Page] = ()) -> None:
    """Exclude the player at their own word; wait for the end of the sockets they have open."""
    committed: list[float] = []
    ends: list[tuple[float, str]] = []
    waiting = [threading.Thread(target=_wait, args=(page, ends)) for page in pages]
    for one in waiting:
        one.start()
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.perf_counter()))
        exclusion.self_exclude(
            player,
            until=database_now() + timedelta(days=400),
            actor=Actor.player(player),
            reason="enough",
        )
        found.before[player] = Bet.objects.filter(player_id=player).count()
    for one in waiting:
        one.join(30)
    found.cut_s += [at - committed[0] for at, _reason in ends]
    found.told += [reason for _at, reason in ends]


def _wait(page: sockets.Page, ends: list[tuple[float, str]]) -> None:
    page.closed()
    told = next((one["code"] for one in reversed(page.frames) if one["k"] == "closed"), "")
    ends.append((time.perf_counter(), told))


def begin_sessions(players: Sequence[PlayerId]) -> None:
    """Sessions of play that go on, so that a bet has nothing to write to the player's row.

    One that begins waits for the row whether the gate locks it or not.
    """
    for player in players:
        play_time.visit(player)

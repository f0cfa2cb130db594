"""`bin/bench chaos [--events 1000] [--minutes N]`: payments while everything fails.

People pay in and out at the simulated provider. Its messages tell of each step from the first on
and come twice (20 %), in no order, or never (5 %), and its answers fail now and then; banks dispute
and return, the provider's desk refunds, money comes late, staff refuse and send back, people leave
for good with a page open.
Meanwhile its process, the web role, the worker, the sweeper and PostgreSQL are killed with SIGKILL,
each in its turn and mostly once all are at work again, and start again. It goes on until so many
messages were sent, every process was killed three times and everybody did each of these things.
Webhooks take the real way: over HTTP to the web role, stored, applied by the worker or the sweep.
Afterwards sweeps run until nothing moves. ``drift`` is the sum of what the provider's record and
ours differ by (`bench.storm.comparison`), in minor units, and of the payments and disputes that
differ. Exit code 1 unless it is 0, nothing is stuck, the ledger's checks find nothing, and it was a
storm (`bench.verdicts`). The long mode: ``--events 100000``. With ``--minutes`` a storm ends by
then, with however many messages there were.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.database.fresh import fresh_database, settings_that_count

# isort: split
from django.conf import settings
from django.db import connections

from audit.database_clock import database_now
from bench import verdicts
from bench.storm import comparison, people
from bench.storm.people import ACTS, CHANCE, Crowd
from bench.storm.processes import CALM, Processes
from ledger.checks import run_checks
from payments import polling
from payments.disputes.models import ProviderDispute
from payments.messages import catching_up
from payments.models import Deposit, ProviderEvent, Withdrawal

#: Seconds between two kills, by chance, once all are at work again; messages as well, about so
#: many that each is killed so often, and in a long storm no more than this.
ALIVE_S: Final = (1.0, 6.0)
EACH_KILLED: Final = verdicts.EACH_KILLED_LEAST
MESSAGES_BETWEEN_MAX: Final = 500
#: Where so few come, the next one is killed all the same.
PATIENCE_S: Final = 20.0
LOOK_EVERY_S: Final = 0.5
#: So often of a hundred the next one is killed while the one before it is still starting.
TOGETHER_PERCENT: Final = 20
#: Seconds without a message after which it is no storm.
STILL_S_MAX: Final = 600
#: Messages per person: who disputes may not pay out for long, and others take their place.
MESSAGES_EACH: Final = 16
PEOPLE_LEAST: Final = 60
#: Turns of sweeps in a row that find nothing to do: then it is quiet.
QUIET_TURNS: Final = 3
QUIET_S_MAX: Final = 1_800
#: Nothing has moved for so long and something waits: it is stuck. A provider repeats for a minute.
STUCK_S: Final = 180
#: What would be looked at within this time is looked at now; a refund that failed waits longer.
LOOKS_WITHIN: Final = timedelta(hours=2)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000, help="the long mode: 100000")
    parser.add_argument("--minutes", type=int, help="the longest that it storms; default: no end")
    parser.add_argument("--people", type=int, help="default: so many that most pay to the end")
    parser.add_argument("--payers", type=int, default=4, help="processes in which people pay")
    given = parser.parse_args(words)
    given.people = given.people or max(PEOPLE_LEAST, given.events // MESSAGES_EACH)
    with fresh_database() as database, tempfile.TemporaryDirectory() as home:
        processes = Processes(database.environment(), Path(home))
        for name, value in processes.variables.items():
            os.environ[name] = value
            if hasattr(settings, name):
                setattr(settings, name, value)
        try:
            result = _measured(given, processes)
        finally:
            processes.stop()
    is_over = given.minutes is not None and result["storm_s"] >= given.minutes * 60
    wrong = verdicts.chaos(result, asked=1 if is_over else given.events)
    sys.stdout.write(json.dumps(result | {"wrong": wrong}) + "\n")
    return 1 if wrong else 0


def _measured(given: argparse.Namespace, processes: Processes) -> dict[str, Any]:
    crowd = people.make(given.people)
    connections.close_all()
    processes.start()
    context = multiprocessing.get_context("fork")
    stop, done = context.Event(), context.Array("q", len(ACTS))
    payers = [
        context.Process(target=_pay, args=(processes, crowd[n :: given.payers], stop, done))
        for n in range(given.payers)
    ]
    began = time.monotonic()
    for payer in payers:
        payer.start()
    ends_at = math.inf if given.minutes is None else began + given.minutes * 60
    kills = _kill_until(given.events, ends_at, processes, done)
    stop.set()
    for payer in payers:
        payer.join(120)
    storm_s = time.monotonic() - began
    blown = _books(processes)["messages"]["kept"]
    began = time.monotonic()
    turns, stuck = _until_quiet(processes)
    told = _books(processes)["messages"]
    theirs = comparison.read(processes.memory)
    off, differing = comparison.money(theirs), comparison.differing(theirs)
    return {
        "drift": sum(off.values()) + differing.total(),
        "drift_by_kind": off,
        "differing": dict(differing),
        "stuck": stuck,
        "violations": len(run_checks().violations),
        "events": told["kept"],
        "duplicated": told["repeated"],
        "lost": told["lost"],
        "kills": sum(kills.values()),
        "killed": {name: kills[name] for name in processes.names},
        "acts": _acts(done),
        "people": given.people,
        "deposits": Deposit.objects.count(),
        "withdrawals": Withdrawal.objects.count(),
        "states": {table.__name__.lower(): _states(table) for table in (Deposit, Withdrawal)},
        "kept_events": ProviderEvent.objects.count(),
        "payers_ended_badly": sum(payer.exitcode != 0 for payer in payers),
        "storm_s": round(storm_s, 1),
        "events_in_storm": blown,
        "events_per_s": round(blown / storm_s, 1),
        "quiet_after_s": round(time.monotonic() - began, 1),
        "sweeps": turns,
        "postgres": settings_that_count(),
    }


def _pay(processes: Processes, crowd: Any, stop: Any, done: Any) -> None:
    mine = Crowd(processes, crowd)

    def is_over() -> bool:
        with done.get_lock():
            for n, (name, _) in enumerate(ACTS):
                done[n] += mine.done.pop(name, 0)
        return bool(stop.is_set())

    mine.act_until(is_over)


def _acts(done: Any) -> dict[str, int]:
    return {name: done[n] for n, (name, _) in enumerate(ACTS)}


def _states(table: type[Deposit] | type[Withdrawal]) -> dict[str, int]:
    return dict(sorted(Counter(table.objects.values_list("state", flat=True)).items()))


def _kill_until(events: int, ends_at: float, processes: Processes, done: Any) -> Counter[str]:
    """One process after the other, by chance, until it was a storm, large or long enough."""
    kills: Counter[str] = Counter()
    turn: list[str] = []
    kept, moved_at = 0, time.monotonic()
    between = max(1, min(MESSAGES_BETWEEN_MAX, events // (EACH_KILLED * len(processes.names))))
    while True:
        if CHANCE.randrange(100) >= TOGETHER_PERCENT:
            processes.await_work()
        time.sleep(CHANCE.uniform(*ALIVE_S))
        _await_messages(processes, min(events, kept + CHANCE.randint(1, 2 * between)))
        books = processes.books()
        if books is not None:
            messages = books["messages"]
            sys.stderr.write(f"{messages} {dict(kills)} {_acts(done)}\n")
            if messages["kept"] > kept:
                kept, moved_at = messages["kept"], time.monotonic()
            is_enough = kept >= events or time.monotonic() >= ends_at
            if is_enough and _was_storm(processes, kills, messages, done):
                return kills
        if time.monotonic() - moved_at > STILL_S_MAX:
            raise SystemExit("bin/bench chaos: nobody pays any more")
        turn = turn or CHANCE.sample(processes.names, len(processes.names))
        name = turn.pop()
        processes.kill(name)
        kills[name] += 1


def _await_messages(processes: Processes, wanted: int) -> None:
    """Until so many were sent in all, or for ``PATIENCE_S``."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        books = processes.books()
        if books is not None and books["messages"]["kept"] >= wanted:
            return
        time.sleep(LOOK_EVERY_S)


def _was_storm(
    processes: Processes, kills: Counter[str], messages: dict[str, int], done: Any
) -> bool:
    everything = [kills[name] >= EACH_KILLED for name in processes.names]
    return all([*everything, *_acts(done).values(), messages["lost"], messages["repeated"]])


def _until_quiet(processes: Processes) -> tuple[int, list[str]]:
    """Sweep with every waiting payment due now, until several turns in a row find nothing.

    The turns, and what waits and does not move any more.
    """
    processes.switch(CALM)
    connections.close_all()
    people.close_pages()
    helpers = ["sweeper", "worker"]  # until little is left
    quiet = turns = 0
    moved_at = time.monotonic()
    until = moved_at + QUIET_S_MAX
    while quiet < QUIET_TURNS:
        if time.monotonic() > until:
            return turns, ["it does not become quiet", *_waiting(processes)]
        turns += 1
        before = _picture(processes)
        catching_up.catch_up()
        for _ in range(_make_due() // polling.BATCH_MAX + 1):
            polling.sweep()
        is_still = _picture(processes) == before
        if not is_still:
            moved_at = time.monotonic()
        while is_still and helpers:
            processes.end(helpers.pop())
        waits = bool(_waiting(processes))
        quiet = quiet + 1 if is_still and not waits else 0
        if is_still and waits:
            if time.monotonic() > moved_at + STUCK_S:
                return turns, _waiting(processes)
            time.sleep(0.5)  # for a message that the provider is to send again
    return turns, []


def _make_due() -> int:
    """As if the time until the next look had passed; of the kind of which most is due, how many.

    Each is looked at once a turn. On a busy machine a turn takes so long that some are due again
    by themselves meanwhile, and sweeping until nothing is due takes a quarter of an hour.
    """
    now = database_now()
    most = ProviderEvent.objects.filter(applied_at=None).count()
    for table in (Deposit, Withdrawal, ProviderDispute):
        due = table.objects.filter(poll_at__lt=now + LOOKS_WITHIN)
        most = max(most, due.update(poll_at=now - timedelta(seconds=1)))
    return most


def _picture(processes: Processes) -> tuple[Any, ...]:
    states = [
        sorted(Counter(table.objects.values_list("state", flat=True)).items())
        for table in (Deposit, Withdrawal)
    ]
    applied = ProviderEvent.objects.exclude(applied_at=None).count()
    return (*states, applied, _books(processes)["movements"])


def _waiting(processes: Processes) -> list[str]:
    """Some of the messages that are not applied, and how many are not delivered."""
    rows = ProviderEvent.objects.filter(applied_at=None).order_by("received_at")[:5]
    found = [f"{row.payload.get('type')} of {row.payment_id}, {row.attempts} tries" for row in rows]
    undelivered = _books(processes)["messages"]["waiting"]
    return [*found, f"{undelivered} not delivered"] if undelivered else found


def _books(processes: Processes) -> dict[str, Any]:
    books = processes.books()
    if books is None:
        raise SystemExit("bin/bench chaos: the provider does not answer")
    return books


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

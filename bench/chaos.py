"""`bin/bench chaos [--events 1000] [--people 60] [--payers 2]`: payments while everything fails.

People pay in and out at the simulated provider, whose messages come twice (20 %), in no order, or
never (5 %), and whose answers fail now and then. Meanwhile its process, the web role, the worker,
the sweeper and PostgreSQL are killed with SIGKILL, one every ten seconds or so, and start again.
Webhooks take the real way: over HTTP to the web role, stored, applied by the worker or the sweep.
Afterwards sweeps run until nothing moves. ``drift`` is the sum over currencies of what the
provider's books and the ledger's clearing account differ by, in minor units, and of the payments
whose state differs. Exit code 1 unless it is 0, the ledger's checks find nothing, and it was a
storm: payers lived to its end, processes were killed, messages came twice and got lost
(`bench.verdicts`). The long mode: ``--events 100000``.
"""

from __future__ import annotations

import argparse
import json
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
from bench.storm.people import CHANCE, Crowd
from bench.storm.processes import CALM, Processes
from ledger.checks import run_checks
from payments import polling
from payments.messages import catching_up
from payments.models import Deposit, ProviderEvent, Withdrawal

#: Seconds between two kills, by chance.
ALIVE_S: Final = (5.0, 15.0)
#: Turns of sweeps in a row that find nothing to do: then it is quiet.
QUIET_TURNS: Final = 3
QUIET_S_MAX: Final = 1_800


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000, help="the long mode: 100000")
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--payers", type=int, default=2, help="processes in which people pay")
    given = parser.parse_args(words)
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
    wrong = verdicts.chaos(result)
    sys.stdout.write(json.dumps(result | {"wrong": wrong}) + "\n")
    return 1 if wrong else 0


def _measured(given: argparse.Namespace, processes: Processes) -> dict[str, Any]:
    crowd = people.make(given.people)
    connections.close_all()
    processes.start()
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    payers = [
        context.Process(target=_pay, args=(processes, crowd[n :: given.payers], stop))
        for n in range(given.payers)
    ]
    began = time.monotonic()
    for payer in payers:
        payer.start()
    kills = _kill_until(given.events, processes)
    stop.set()
    for payer in payers:
        payer.join(120)
    storm_s = time.monotonic() - began
    began = time.monotonic()
    turns = _until_quiet(processes)
    books = _books(processes)
    off, differing = comparison.drift(books), comparison.differing(processes.memory)
    told = books["messages"]
    return {
        "drift": sum(abs(minor) for minor in off.values()) + differing.total(),
        "drift_by_currency": off,
        "states_differing": dict(differing),
        "violations": len(run_checks().violations),
        "events": told["kept"],
        "duplicated": told["repeated"],
        "lost": told["lost"],
        "kills": sum(kills.values()),
        "killed": dict(kills),
        "deposits": Deposit.objects.count(),
        "withdrawals": Withdrawal.objects.count(),
        "kept_events": ProviderEvent.objects.count(),
        "payers_ended_badly": sum(payer.exitcode != 0 for payer in payers),
        "storm_s": round(storm_s, 1),
        "quiet_after_s": round(time.monotonic() - began, 1),
        "sweeps": turns,
        "postgres": settings_that_count(),
    }


def _pay(processes: Processes, crowd: Any, stop: Any) -> None:
    Crowd(processes, crowd).act_until(stop.is_set)


def _kill_until(events: int, processes: Processes) -> Counter[str]:
    """One process after the other, by chance, until the provider has told so many events."""
    kills: Counter[str] = Counter()
    while True:
        time.sleep(CHANCE.uniform(*ALIVE_S))
        books = processes.books()
        if books is not None:
            sys.stderr.write(f"{books['messages']} {dict(kills)}\n")
            if books["messages"]["kept"] >= events:
                return kills
        name = CHANCE.choice(processes.names)
        processes.kill(name)
        kills[name] += 1


def _until_quiet(processes: Processes) -> int:
    """Sweep with every waiting payment due now, until several turns in a row find nothing."""
    processes.switch(CALM)
    for name in ("sweeper", "worker"):
        processes.end(name)
    connections.close_all()
    quiet = turns = 0
    until = time.monotonic() + QUIET_S_MAX
    while quiet < QUIET_TURNS:
        if time.monotonic() > until:
            raise SystemExit("bin/bench chaos: it does not become quiet")
        turns += 1
        before = _picture(processes)
        _make_due()
        catching_up.catch_up()
        while _did_something(polling.sweep()):
            pass
        quiet = quiet + 1 if _picture(processes) == before and not _waiting(processes) else 0
    return turns


def _did_something(sweep: polling.Sweep) -> bool:
    """A sweep takes some of each kind: the next one takes the next of them."""
    return bool(sweep.events or sweep.deposits or sweep.withdrawals)


def _make_due() -> None:
    """As if the time until the next look had passed."""
    past = database_now() - timedelta(seconds=1)
    for table in (Deposit, Withdrawal):
        table.objects.exclude(poll_at=None).update(poll_at=past)


def _picture(processes: Processes) -> tuple[Any, ...]:
    states = [
        sorted(Counter(table.objects.values_list("state", flat=True)).items())
        for table in (Deposit, Withdrawal)
    ]
    applied = ProviderEvent.objects.exclude(applied_at=None).count()
    return (*states, applied, _books(processes)["movements"])


def _waiting(processes: Processes) -> bool:
    waiting = ProviderEvent.objects.filter(applied_at=None).exists()
    return waiting or bool(_books(processes)["messages"]["waiting"])


def _books(processes: Processes) -> dict[str, Any]:
    books = processes.books()
    if books is None:
        raise SystemExit("bin/bench chaos: the provider does not answer")
    return books


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

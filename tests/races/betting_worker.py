"""A process that bets in batches, for the race tests. Reads its orders from the command line.

Modes: `bet` (the real thing), `share` (the round is only share-locked), `unordered` (players are
locked in a shuffled order first), `freeze` (stops itself inside the transaction), `freeze-unbound`
(the same without the session's time-outs). Prints one line of JSON when done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time

import django


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--mode", default="bet")
    words.add_argument("--table", default="alexandria")
    words.add_argument("--players", required=True)
    words.add_argument("--batches", type=int, default=10_000)
    words.add_argument("--slips", type=int, default=12)
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--seed", type=int, default=1)
    options = words.parse_args()
    django.setup()
    print(json.dumps(work(options)), flush=True)


def work(options: argparse.Namespace) -> dict[str, object]:
    from django.db import OperationalError, connections

    from kernel.ids import new_id
    from tables.bets.betting import place_batch
    from tables.bets.slips import Receipt, place_bets

    change(options.mode)
    dice = random.Random(options.seed)
    players = [int(word) for word in options.players.split(",")]
    accepted = conflicts = 0
    slowest_ms = 0.0
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()  # all begin together, however long each took to start
    until = time.monotonic() + options.seconds
    for _ in range(options.batches):
        if time.monotonic() > until:
            break
        chosen = dice.sample(players, min(options.slips, len(players)))
        slips = [
            place_bets(
                player, options.table, key=new_id().hex, currency="EUR", stakes=[("red", 50)]
            )
            for player in chosen
        ]
        began = time.monotonic()
        try:
            answers = place_batch(options.table, slips)
        except OperationalError as error:
            conflicts += 1
            if "deadlock" in str(error):
                print("deadlock", file=sys.stderr, flush=True)
            connections.close_all()
            continue
        slowest_ms = max(slowest_ms, (time.monotonic() - began) * 1000)
        accepted += sum(isinstance(answer, Receipt) for answer in answers)
        if all(str(getattr(answer, "code", "")) == "too_late" for answer in answers):
            break
    return {"accepted": accepted, "conflicts": conflicts, "slowest_ms": slowest_ms}


def change(mode: str) -> None:
    """Take a lock away, so that the test can show what it is there for."""
    from django.db import connection

    from compliance import gate
    from tables import locks

    if mode == "share":
        real = locks.lock_and_read

        def share(rank, sql, params, *then):
            return real(rank, sql.replace("FOR NO KEY UPDATE", "FOR SHARE"), params, *then)

        locks.lock_and_read = share
        locks.bound_session = lambda **_: None
    if mode == "unordered":
        decide = gate.decide

        def unordered(requests, *, now):
            ids = [request.player_id for request in requests]
            random.shuffle(ids)
            with connection.cursor() as cursor:
                for player_id in ids:
                    cursor.execute(
                        "SELECT 1 FROM compliance_standing WHERE player_id = %s FOR UPDATE",
                        [player_id],
                    )
                    time.sleep(0.002)  # both must be at it: a fast machine is through too soon
            return decide(requests, now=now)

        gate.decide = unordered
        locks.bound_session = lambda **_: None
    if mode.startswith("freeze"):
        lock_current_round = locks.lock_current_round

        def freeze(table_id):
            found = lock_current_round(table_id)
            print("frozen", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
            return found

        locks.lock_current_round = freeze
        if mode == "freeze-unbound":
            locks.bound_session = lambda **_: None


if __name__ == "__main__":
    main()

"""`bin/bench crash [--kills 20] [--writers 8]`: PostgreSQL is killed while money moves.

Eight processes post batches and repeat each until it is answered. All of the server's processes
are killed with SIGKILL, it is started again, and so on. Afterwards: ``lost`` counts answered
batches that are not in the books as they were answered, ``duplicated`` transfers that were made
more than once, ``violations`` what `check_ledger` finds. Exit code 1 unless all three are 0
and every writer ended well.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.database.fresh import fresh_database, kill_and_start, settings_that_count

# isort: split
from django.db import Error, connection, connections, transaction

from bench.posting import accounts as ours
from kernel.ids import AccountId, new_id
from ledger.checks import run_checks
from ledger.posting import post
from ledger.postings import Transfer, TransferKind

MUST_BE_ZERO: Final = ("lost", "duplicated", "violations", "writers_ended_badly")
PLAYERS: Final = 400
BATCH: Final = 20
#: More in each of the two escrows than all writers together pay out of it.
FILLED_MINOR: Final = 10_000_000_000
#: Seconds between a start and the next kill, by chance.
ALIVE_S: Final = (0.5, 2.0)
CHANCE: Final = secrets.SystemRandom()


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="the long mode: 100")
    parser.add_argument("--writers", type=int, default=8)
    given = parser.parse_args(words)
    with fresh_database(), tempfile.TemporaryDirectory() as home:
        result = _measured(given.kills, given.writers, Path(home))
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if any(result[name] for name in MUST_BE_ZERO) else 0


def _measured(kills: int, writers: int, home: Path) -> dict[str, Any]:
    cash = ours.players(PLAYERS, 1_000_000)
    tills = [ours.filled_escrow(FILLED_MINOR) for _ in range(2)]
    connections.close_all()
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    workers = [
        context.Process(target=_write, args=(n, cash, tills[n % 2], home / str(n), stop))
        for n in range(writers)
    ]
    for worker in workers:
        worker.start()
    down_s = [_down_s() for _ in range(kills)]
    time.sleep(1)
    stop.set()
    for worker in workers:
        worker.join(60)
    answered = dict(line for n in range(writers) for line in _answers(home / str(n)))
    report = run_checks()
    return {
        "kills": len(down_s),
        "lost": _lost(answered),
        "duplicated": _duplicated(),
        "violations": len(report.violations),
        "answered_batches": len(answered),
        "transfers": report.counts["transfer"],
        "repeated_batches": _repeated(home, writers),
        "down_s_max": round(max(down_s, default=0.0), 2),
        "writers_ended_badly": sum(worker.exitcode != 0 for worker in workers),
        "postgres": settings_that_count(),
    }


def _down_s() -> float:
    """The server is killed at some moment; seconds until it answers again."""
    time.sleep(CHANCE.uniform(*ALIVE_S))
    killed_at = time.monotonic()
    kill_and_start()
    return time.monotonic() - killed_at


def _write(n: int, cash: Sequence[AccountId], till: AccountId, answers: Path, stop: Any) -> None:
    """Batch after batch, each repeated under its key until it is answered; answers to a file."""
    number = 0
    with answers.open("a", buffering=1) as file:
        while not stop.is_set():
            number += 1
            transfers = _transfers(n, number, cash, till)
            batch, tries = _insist(f"crash:{n}:{number}", transfers)
            file.write(f"crash:{n}:{number} {batch} {tries}\n")
    connections.close_all()


def _transfers(n: int, number: int, cash: Sequence[AccountId], till: AccountId) -> list[Transfer]:
    """Escrow to players: the accounts of two rounds and of twenty players meet all the time."""
    return [
        Transfer(new_id(), till, account, 1, TransferKind.PAYOUT, f"crash:{n}:{number}:{i}")
        for i, account in enumerate(CHANCE.sample(cash, BATCH))
    ]


def _insist(key: str, transfers: Sequence[Transfer]) -> tuple[int, int]:
    """The batch's number, and how often it took: after an error nobody knows what happened."""
    tries = 0
    while True:
        tries += 1
        try:
            with transaction.atomic():
                batch = post(key=key, kind="crash", actor=ours.BENCH, transfers=transfers)
        except Error:
            _wait()
        else:
            return batch.id, tries


def _wait() -> None:
    connections.close_all()
    time.sleep(0.02)


def _answers(file: Path) -> list[tuple[str, int]]:
    words = [line.split() for line in file.read_text().splitlines()]
    return [(key, int(batch)) for key, batch, _ in words]


def _repeated(home: Path, writers: int) -> int:
    lines = [line for n in range(writers) for line in (home / str(n)).read_text().splitlines()]
    return sum(int(line.split()[2]) > 1 for line in lines)


def _lost(answered: dict[str, int]) -> int:
    """Answered batches that are not there whole, under the number that was answered."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.key, b.id FROM ledger_batch b WHERE b.kind = 'crash' AND"
            " (SELECT count(*) FROM ledger_transfer t WHERE t.batch = b.id) = %s",
            [BATCH],
        )
        found = dict(cursor.fetchall())
    return sum(found.get(key) != batch for key, batch in answered.items())


def _duplicated() -> int:
    """Transfers beyond the first for one and the same thing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM ledger_transfer"
            " WHERE ref LIKE 'crash:%%' GROUP BY ref) x"
        )
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

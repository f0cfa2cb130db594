"""`bin/bench books [--transfers 100000]`: a house's books, checked by outsiders, and restored.

A fresh database on the disk plays rounds of three currencies at two tables until the ledger has so
many transfers, all of them by the real doors: gate, slips, wheel, settlement. Half-way a base
backup is taken, as docs/operations.md says; at the end everything is sealed, and the backup is
rolled forward to that instant while the original has gone on.

From the original and from the restored copy: `check_ledger`, `check_rounds`, both exports,
`python -m verify` with the seals that were published (also `verify consistency`), and `hledger
check -s` where it is installed.
Both exports must be the same, byte for byte. Then one amount is changed in the restored database
by its owner, and each of the three has to find it. Seconds and memory are those of each program.

Exit code 1 unless everything holds, the copies agree and the change is found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from bench.database.fresh import ADDRESS, CLUSTER, HOME, fresh_database, settings_that_count

# isort: split
from django.db import connection, connections
from django.test import override_settings

from audit import tasks
from audit.database_clock import database_now
from bench.database.measured import Run, python, run
from kernel.ids import PlayerId, new_id
from tables.bets.betting import BATCH_MAX, place_batch
from tables.bets.slips import PlaceBets, place_bets
from tables.rules import roulette
from tests import conftest, house
from tests.flows import restore_steps
from tests.flows.restore_steps import Copy

CURRENCIES: Final = ("EUR", "JPY", "USD")
TABLES: Final = ("alexandria", "byblos")
#: Of each currency. Each of them places one slip of ten bets in each round.
PLAYERS: Final = 20
POSITIONS: Final = 10
#: As often as the worker seals, should a round take half a minute at each table.
ROUNDS_PER_SEAL: Final = 4
STAKE_MINOR: Final = 100
CHANCE: Final = secrets.SystemRandom()


@dataclass(slots=True)
class Checked:
    """What outsiders' programs said of one database: runs by name, and what they found."""

    runs: dict[str, Run] = field(default_factory=dict)
    violations: int = 0
    found: dict[str, str] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench books", description=__doc__)
    parser.add_argument("--transfers", type=int, default=100_000)
    given = parser.parse_args(words)
    with fresh_database() as database:
        result = _measured(database.name, given.transfers)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["wrong"] else 0


def _measured(database: str, wanted: int) -> dict[str, Any]:
    original = Copy(CLUSTER.home, HOME / "state", database=database, password=conftest.PASSWORD)
    original.cluster, original.address = CLUSTER, ADDRESS
    archive, backup = HOME / "archive", HOME / "backup"
    archive.mkdir()
    restore_steps.ours(archive)
    connections.close_all()
    restore_steps.archive_log(original, archive)
    steps: dict[str, float] = {}
    play = _Play(original.state)
    with _timed(steps, "play"):
        rounds = play.until(wanted // 2)
        with _timed(steps, "backup"):
            restore_steps.base_backup(original, backup)
        rounds += play.until(wanted)
    sealed = _sealed(original)
    instant = database_now()
    play.one_round()  # what the copy must know nothing of
    facts = _facts(instant)
    connections.close_all()
    restore_steps.archive_what_is_there(original)
    with _timed(steps, "restore"):
        restored = restore_steps.restore(
            backup, archive, HOME / "restored", until=instant.isoformat(), original=original
        )
    # the seals that outsiders have are those that were published before the machine was lost
    shutil.copytree(original.state / "seals", HOME / "published")
    try:
        first = _check(original, instant.isoformat(), HOME / "first")
        second = _check(restored, instant.isoformat(), HOME / "second")
        tampered = _tampered(restored, instant.isoformat())
    finally:
        restored.cluster.stop()
    return _result(facts | {"rounds": rounds, "players": len(play.people)}, steps, sealed,
                   (first, second, tampered))  # fmt: skip


class _Play:
    """Two tables with players of three currencies."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.pits = [house.pit(table, currencies=CURRENCIES, intermission_ms=0) for table in TABLES]
        self.people = [
            (house.player(balance_minor=10_000_000, currency=currency), currency)
            for currency in CURRENCIES
            for _ in range(PLAYERS)
        ]
        self.rounds = 0

    def until(self, transfers: int) -> int:
        """Play until the ledger has so many; returns the rounds played."""
        before = self.rounds
        while _count("ledger_transfer") < transfers:
            self.one_round()
            if self.rounds % ROUNDS_PER_SEAL == 0:
                with override_settings(STATE_DIR=self.state):
                    tasks.seal()
        sys.stderr.write(f"{self.rounds} rounds, {_count('ledger_transfer')} transfers\n")
        return self.rounds - before

    def one_round(self) -> None:
        pit = self.pits[self.rounds % len(self.pits)]
        number = pit.open_round().number
        slips = [self._slip(pit.table.id, *one, number) for one in self.people]
        for first in range(0, len(slips), BATCH_MAX):
            for answer in place_batch(pit.table.id, slips[first : first + BATCH_MAX]):
                if isinstance(answer, BaseException):
                    raise answer
        ended = pit.play(CHANCE.randrange(37))
        if ended.phase != "settled":
            raise SystemExit(f"bin/bench books: round {number} is {ended.phase}")
        self.rounds += 1

    def _slip(self, table: str, player: PlayerId, currency: str, number: int) -> PlaceBets:
        positions = CHANCE.sample(roulette.ALL_POSITIONS, POSITIONS)
        return place_bets(
            player,
            table,
            key=new_id().hex,
            currency=currency,
            stakes=[(position.code, STAKE_MINOR) for position in positions],
            round_number=number,
        )


def _sealed(copy: Copy) -> list[Run]:
    """Seal until nothing is left, as the worker does every minute."""
    runs = []
    while True:
        done = _manage(copy, "seal", "--format", "json")
        _must(done, "seal")
        runs.append(done)
        if not any(json.loads(done.out)["sealed"].values()):
            return runs


def _check(copy: Copy, until: str, out: Path) -> Checked:
    """Everything that an outsider does, and the house's own checks, on one database."""
    found = Checked()
    key = out / "key.pem"
    out.mkdir()
    key.write_text(_must(_manage(copy, "seal", "--public-key"), "key").out)
    runs = found.runs
    for command in ("check_ledger", "check_rounds"):
        runs[command] = _manage(copy, command)
    runs["export_ledger"] = _manage(copy, "export_ledger", str(out / "books"), "--until", until)
    runs["export_audit"] = _manage(copy, "export_audit", str(out / "sealed"))
    anchors = [
        word for path in sorted((HOME / "published").iterdir()) for word in ("--anchor", str(path))
    ]
    runs["verify"] = python(
        *("-m", "verify", str(out / "sealed"), "--public-key", str(key)),
        *("--format", "json", *anchors),
    )
    runs["consistency"] = python(
        *("-m", "verify", "consistency", str(HOME / "published"), str(out / "sealed")),
        *("--public-key", str(key)),
    )
    if hledger := shutil.which("hledger"):
        runs["hledger"] = run(
            [hledger, "-f", str(out / "books" / "journal.hledger"), "check", "-s"]
        )
    for name, done in runs.items():
        if done.status:
            found.violations += 1
            found.found[name] = _first_words(name, done)
        sys.stderr.write(f"{out.name} {name}: {done.status}, {done.seconds} s, {done.rss_mb} MB\n")
    found.sums = {str(path.relative_to(out)): _sha256(path) for path in _whole_files(out)}
    return found


def _tampered(copy: Copy, until: str) -> Checked:
    """The owner of the restored database changes the amount of one transfer by one cent."""
    changed = (
        "UPDATE ledger_transfer SET amount = amount + 1 WHERE id = ("
        "SELECT id FROM ledger_transfer WHERE kind = 'stake' ORDER BY batch, item"
        " OFFSET (SELECT count(*) / 2 FROM ledger_transfer WHERE kind = 'stake') LIMIT 1)"
    )
    copy.sql("ALTER TABLE ledger_transfer DISABLE TRIGGER USER", copy.database)
    copy.sql(changed, copy.database)
    copy.sql("ALTER TABLE ledger_transfer ENABLE TRIGGER USER", copy.database)
    return _check(copy, until, HOME / "tampered")


def _result(
    facts: dict[str, Any],
    steps: dict[str, float],
    sealed: list[Run],
    checked: tuple[Checked, Checked, Checked],
) -> dict[str, Any]:
    first, second, tampered = checked
    programs = ["verify", "check_ledger", *(["hledger"] if "hledger" in first.runs else [])]
    wrong = [f"original: {name}" for name in first.found]
    wrong += [f"restored: {name}" for name in second.found]
    wrong += [f"not found by {name}" for name in programs if name not in tampered.found]
    differs = sorted(name for name in first.sums if first.sums[name] != second.sums.get(name))
    wrong += [f"differs: {name}" for name in differs]
    return {
        **facts,
        "violations": first.violations + second.violations,
        "same_files": len(first.sums) - len(differs),
        "tampered": tampered.found,
        "hledger": "there" if "hledger" in programs else "skipped: not installed",
        "seconds": {name: round(took, 1) for name, took in steps.items()}
        | {"seal": round(sum(one.seconds for one in sealed), 1)},
        "original_s": {name: done.seconds for name, done in first.runs.items()},
        "restored_s": {name: done.seconds for name, done in second.runs.items()},
        "rss_mb": {
            name: max(done.rss_mb, second.runs[name].rss_mb) for name, done in first.runs.items()
        }
        | {"seal": max(one.rss_mb for one in sealed)},
        "wrong": wrong,
        "postgres": settings_that_count(),
    }


def _facts(until: Any) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM ledger_transfer WHERE posted_at <= %s),"
            " (SELECT count(*) FROM ledger_batch WHERE posted_at <= %s),"
            " (SELECT count(*) FROM ledger_account), (SELECT count(*) FROM audit_seal),"
            " (SELECT sum(row_count) FROM audit_seal)",
            [until, until],
        )
        transfers, batches, accounts, seals, rows = cursor.fetchone()
    return {
        "transfers": transfers, "batches": batches, "accounts": accounts, "seals": seals,
        "sealed_rows": int(rows), "currencies": len(CURRENCIES), "tables": len(TABLES),
    }  # fmt: skip


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  (a fixed word)
        return int(cursor.fetchone()[0])


def _manage(copy: Copy, *words: str) -> Run:
    return python("manage.py", *words, environment=copy.environment())


def _must(done: Run, what: str) -> Run:
    if done.status:
        raise SystemExit(f"bin/bench books: {what}: {done.out[-2_000:]}{done.err[-2_000:]}")
    return done


def _first_words(name: str, done: Run) -> str:
    """What a program says that it found, shortly."""
    if name == "verify" and done.out.startswith("{"):
        first = json.loads(done.out)["findings"][0]
        return f"{first['source']} row {first['row']} seal {first['seal']}: {first['code']}"
    lines = [line for line in (done.out + done.err).splitlines() if line.strip()]
    wrong = [line for line in lines if "BROKEN" in line or "rror" in line] or lines
    return (wrong or ["nothing was said"])[0][:160]


def _whole_files(out: Path) -> Iterator[Path]:
    """Every exported file; lists of contents are dated by their making and signed."""
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name not in {"manifest.json", "key.pem"}:
            yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _timed:
    """Adds the seconds of its block to ``steps`` under a name."""

    def __init__(self, steps: dict[str, float], name: str) -> None:
        self._steps, self._name, self._began = steps, name, 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._steps[self._name] = perf_counter() - self._began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

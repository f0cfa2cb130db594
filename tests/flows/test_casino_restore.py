"""The drill: a base backup while the house plays, the log after it, and a copy at an instant.

The commands are those of docs/operations.md, on a cluster of the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from casino.embedded import unprivileged
from casino.embedded.postgres import APP, OWNER, Address, Cluster, binaries, ensure_database
from tests.conftest import ROOT

pytestmark = [pytest.mark.feature("F54"), pytest.mark.slow]

WAIT_S = 60


class Copy:
    """A cluster with the house's database, and processes of ours on it."""

    def __init__(self, home: Path, state: Path) -> None:
        self.cluster = Cluster(home)
        self.state = state
        self.address: Address | None = None

    def start(self) -> None:
        self.address = self.cluster.start()

    def environment(self, role: str = "app") -> dict[str, str]:
        assert self.address is not None
        return os.environ | {
            "DATABASE_URL": self.address.url(APP, "faro"),
            "DATABASE_OWNER_URL": self.address.url(OWNER, "faro"),
            "FARO_ROLE": role,
            "FARO_STATE_DIR": str(self.state),
            "FARO_LOG_LEVEL": "WARNING",
        }

    def manage(self, *words: str, role: str = "app") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment(role),
            capture_output=True,
            text=True,
            check=False,
        )

    def sql(self, statement: str) -> Any:
        assert self.address is not None
        with psycopg.connect(self.address.url("postgres", "postgres"), autocommit=True) as db:
            found = db.execute(statement)
            return found.fetchone()[0] if found.description else None


class House:
    """The house that plays on the copy."""

    def __init__(self, copy: Copy, file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.drill_house", str(file)],
            cwd=ROOT,
            env=copy.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("> "):
                found: dict[str, Any] = json.loads(line[2:])
                return found
        raise AssertionError(f"the house ended at {command!r}")

    def wait_for_rounds(self, more: int) -> None:
        wanted = self.say("status")["rounds"] + more
        until = time.monotonic() + WAIT_S
        while self.say("status")["rounds"] < wanted:
            assert time.monotonic() < until, "the house plays too slowly"
            time.sleep(0.1)

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)
        self._process.stdout.close()


def ours(*folders: Path) -> None:
    """Give folders to whom PostgreSQL runs as."""
    if unprivileged.needs_chown():
        for folder in folders:
            for path in [folder, *folder.rglob("*")]:
                shutil.chown(path, 65534, 65534)


@pytest.fixture
def original(tmp_path):
    """A migrated database whose log is archived."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    archive = tmp_path / "archive"
    archive.mkdir()
    ours(archive)
    copy = Copy(tmp_path / "original", tmp_path / "state")
    try:
        copy.start()
        prepare(copy, archive)
        yield copy
    finally:
        copy.cluster.stop()


def prepare(copy: Copy, archive: Path) -> None:
    """Migrate, and switch archiving on, which needs a restart."""
    assert copy.address is not None
    ensure_database(copy.address, "faro")
    migrated = copy.manage("migrate", "--verbosity", "0", role="owner")
    assert migrated.returncode == 0, migrated.stderr[-2_000:]
    copy.sql("ALTER SYSTEM SET fsync = off")  # this machine does not lose its power meanwhile
    copy.sql("ALTER SYSTEM SET archive_mode = on")
    copy.sql(
        "ALTER SYSTEM SET archive_command ="
        f" 'test ! -f {archive}/%f && cp %p {archive}/%f.part && mv {archive}/%f.part {archive}/%f'"
    )
    copy.cluster.stop()
    copy.start()


def base_backup(copy: Copy, to: Path) -> None:
    """`pg_basebackup`, as the operator's guide has it."""
    assert copy.address is not None
    done = subprocess.run(
        [
            str(binaries() / "pg_basebackup"),
            *("--dbname", copy.address.url("postgres", "postgres").rpartition("/")[0]),
            *("--pgdata", str(to)),
            *("--wal-method=none", "--checkpoint=fast", "--manifest-checksums=SHA256"),
            "--no-sync",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def restore(backup: Path, archive: Path, home: Path, *, until: str, password: Path) -> Copy:
    """The backup, rolled forward to the instant ``until``, as a cluster of its own."""
    home.mkdir()
    shutil.copytree(backup, home / "data")
    (home / "data").chmod(0o700)
    with (home / "data" / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            "archive_mode = off\n"
            f"restore_command = 'cp {archive}/%f %p'\n"
            f"recovery_target_time = '{until}'\n"
            "recovery_target_action = promote\n"
        )
    (home / "data" / "recovery.signal").touch()
    shutil.copy(password, home / "password")
    ours(home)
    copy = Copy(home, home.parent / f"{home.name}-state")
    copy.start()
    deadline = time.monotonic() + WAIT_S
    while copy.sql("SELECT pg_is_in_recovery()"):
        assert time.monotonic() < deadline, copy.cluster.log.read_text()[-2_000:]
        time.sleep(0.1)
    return copy


def test_a_copy_restored_to_an_instant_has_its_books_and_goes_on_under_new_epochs(
    original, tmp_path
):
    table_file = tmp_path / "table.pickle"
    house = House(original, table_file)
    house.say("go")
    house.wait_for_rounds(2)
    base_backup(original, tmp_path / "backup")  # while bets are posted
    verified = subprocess.run(
        [str(binaries() / "pg_verifybackup"), "--no-parse-wal", str(tmp_path / "backup")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    house.wait_for_rounds(3)
    instant = house.say("pause")
    assert house.say("seal")["sealed"] > 0
    books = house.say("hash")["sha256"]
    instant = house.say("status")
    house.say("keep")
    house.say("go")
    house.wait_for_rounds(3)  # what the restored copy must know nothing of
    seen_by_clients = house.say("pause")
    assert seen_by_clients["seq"] > instant["seq"]
    assert house.say("hash")["sha256"] != books
    house.end()
    original.sql("SELECT pg_switch_wal()")
    wait_until_archived(original)
    until_then = original.manage("books_hash", "--until", instant["at"], "--format", "json")
    assert json.loads(until_then.stdout)["sha256"] == books
    original.cluster.stop()

    copy = restore(
        tmp_path / "backup",
        tmp_path / "archive",
        tmp_path / "restored",
        until=instant["at"],
        password=tmp_path / "original" / "password",
    )
    try:
        check_restored(copy, table_file, instant, seen_by_clients, books)
    finally:
        copy.cluster.stop()


def check_restored(
    copy: Copy,
    table_file: Path,
    instant: dict[str, Any],
    seen: dict[str, Any],
    books: str,
) -> None:
    for command in ("check_ledger", "check_rounds", "check_seals"):
        done = copy.manage(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr[-2_000:]}"
    found = json.loads(copy.manage("books_hash", "--format", "json").stdout)
    assert found["sha256"] == books
    done = copy.manage("new_epoch", "--reason", "drill: restored to an instant")
    assert "began a new epoch" in done.stdout, done.stderr[-2_000:]

    house = House(copy, table_file)
    now = house.say("status")
    assert now["balances"] == instant["balances"]
    assert now["seq"] == instant["seq"]
    assert now["epoch"] != seen["epoch"]
    house.say("go")
    house.wait_for_rounds(3)  # numbers go on, and the same ones come again: under another epoch
    later = house.say("pause")
    assert later["epoch"] == now["epoch"]
    assert later["seq"] > instant["seq"]
    back = house.say(f"join {seen['epoch']}:{seen['seq']}")
    assert back["k"] == "snapshot"  # a page that saw the lost future takes a fresh snapshot
    assert back["e"] == now["epoch"]
    house.end()
    assert copy.manage("check_ledger").returncode == 0


def wait_until_archived(copy: Copy) -> None:
    until = time.monotonic() + WAIT_S
    wanted = copy.sql("SELECT pg_walfile_name(pg_current_wal_lsn() - 1)")
    while (copy.sql("SELECT last_archived_wal FROM pg_stat_archiver") or "") < (wanted or ""):
        assert time.monotonic() < until, copy.cluster.log.read_text()[-2_000:]
        time.sleep(0.1)

"""The steps of docs/operations.md, "Backup and restore", on embedded clusters of one's own.

The drill and the benchmark of the books take the same ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from casino.embedded import unprivileged
from casino.embedded.postgres import APP, OWNER, Address, Cluster, binaries, ensure_database
from tests.conftest import ROOT

WAIT_S = 60


class Copy:
    """A cluster with the house's database, and processes of ours on it."""

    def __init__(
        self, home: Path, state: Path, *, database: str = "faro", password: str | None = None
    ) -> None:
        """``password`` of both roles, where it is not the cluster's own."""
        self.cluster = Cluster(home)
        self.state = state
        self.database = database
        self.password = password
        self.address: Address | None = None

    def start(self) -> None:
        self.address = self.cluster.start()

    def environment(self, role: str = "app") -> dict[str, str]:
        assert self.address is not None
        roles = Address(self.address.port, self.password or self.address.password)
        return os.environ | {
            "DATABASE_URL": roles.url(APP, self.database),
            "DATABASE_OWNER_URL": roles.url(OWNER, self.database),
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

    def sql(self, statement: str, database: str = "postgres") -> Any:
        """The first value that ``statement`` answers with, asked by the superuser."""
        assert self.address is not None
        with psycopg.connect(self.address.url("postgres", database), autocommit=True) as db:
            found = db.execute(statement)
            return found.fetchone()[0] if found.description else None


def ours(*folders: Path) -> None:
    """Give folders to whom PostgreSQL runs as."""
    if unprivileged.needs_chown():
        for folder in folders:
            for path in [folder, *folder.rglob("*")]:
                shutil.chown(path, 65534, 65534)


def prepare(copy: Copy, archive: Path) -> None:
    """Migrate, and switch archiving on, which needs a restart."""
    assert copy.address is not None
    ensure_database(copy.address, "faro")
    migrated = copy.manage("migrate", "--verbosity", "0", role="owner")
    assert migrated.returncode == 0, migrated.stderr[-2_000:]
    copy.sql("ALTER SYSTEM SET fsync = off")  # this machine does not lose its power meanwhile
    archive_log(copy, archive)


def archive_log(copy: Copy, archive: Path) -> None:
    """Switch archiving on, which needs a restart."""
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


def restore(backup: Path, archive: Path, home: Path, *, until: str, original: Copy) -> Copy:
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
    shutil.copy(original.cluster.home / "password", home / "password")
    ours(home)
    copy = Copy(
        home,
        home.parent / f"{home.name}-state",
        database=original.database,
        password=original.password,
    )
    copy.start()
    deadline = time.monotonic() + WAIT_S
    while copy.sql("SELECT pg_is_in_recovery()"):
        assert time.monotonic() < deadline, copy.cluster.log.read_text()[-2_000:]
        time.sleep(0.1)
    return copy


def archive_what_is_there(copy: Copy) -> None:
    """Finish the file of the log that is being written, and wait until it is archived.

    Which file that is, only the switch itself can say: by the next statement something else may
    have been written, and the file after it is not archived until it is full.
    """
    until = time.monotonic() + WAIT_S
    wanted = copy.sql("SELECT pg_walfile_name(pg_switch_wal() - 1)")
    while (copy.sql("SELECT last_archived_wal FROM pg_stat_archiver") or "") < (wanted or ""):
        assert time.monotonic() < until, copy.cluster.log.read_text()[-2_000:]
        time.sleep(0.1)

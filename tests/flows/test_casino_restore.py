"""The drill: a base backup while the house plays, the log after it, and a copy at an instant.

The commands are those of docs/operations.md, on a cluster of the test's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from casino.embedded.postgres import binaries
from tests.conftest import ROOT
from tests.flows.restore_steps import (
    WAIT_S,
    Copy,
    archive_what_is_there,
    base_backup,
    ours,
    prepare,
    restore,
)

pytestmark = [pytest.mark.feature("F54"), pytest.mark.slow]


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
    archive_what_is_there(original)
    until_then = original.manage("books_hash", "--until", instant["at"], "--format", "json")
    assert json.loads(until_then.stdout)["sha256"] == books
    original.cluster.stop()

    copy = restore(
        tmp_path / "backup",
        tmp_path / "archive",
        tmp_path / "restored",
        until=instant["at"],
        original=original,
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

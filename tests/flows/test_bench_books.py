"""`bin/bench books` in small: books that outsiders accept, from a restored copy too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.feature("F44", "F54", "F56"), pytest.mark.slow]


def test_books_and_their_restored_copy_are_accepted_by_outsiders_and_a_changed_cent_is_found():
    environment = {k: v for k, v in os.environ.items() if k != "FARO_TEST_POSTGRES"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.books", "--transfers", "3000"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["transfers"] >= 3_000
    assert (told["violations"], told["wrong"]) == (0, [])
    assert told["same_files"] >= 25
    assert "row_changed" in told["tampered"]["verify"]
    assert "BROKEN" in told["tampered"]["check_ledger"]
    if shutil.which("hledger"):
        assert "balance assertion" in told["tampered"]["hledger"]
    else:
        assert told["hledger"] == "skipped: not installed"

"""`bin/up` for real: everything starts, survives a crash, stops, keeps its data, leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from casino.supervisor.ports import any_free

ROOT = Path(__file__).resolve().parent.parent.parent
#: Of the machine that runs the tests, with other tests beside it; an idle one needs a quarter.
START_TIMEOUT_S = 120
SERVERS = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "FARO_MODE", "FARO_ROLE",
           "SECRET_KEY", "FARO_AUDIT_KEY", "FARO_SEAL_KEY", "FARO_CONSOLE_KEY",
           "DJANGO_SETTINGS_MODULE",
           "FARO_STATE_DIR"}  # fmt: skip

pytestmark = pytest.mark.slow


def _environment() -> dict[str, str]:
    """A terminal's environment: without the servers and secrets of this test run."""
    return {name: value for name, value in os.environ.items() if name not in SERVERS}


class Up:
    """One running `bin/up` and what it said."""

    def __init__(self, state: Path, port: int) -> None:
        self.state, self.port = state, port
        self.said = state.parent / f"said-{time.monotonic_ns()}"
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [ROOT / "bin" / "up", "--state", state, "--port", str(port), "--speed", "5"],
                env=_environment(),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def until_it_says(self, words: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while words not in self.said.read_text():
            assert time.monotonic() < deadline, f"never said {words!r}: {self.said.read_text()}"
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began


def _processes_of(state: Path) -> dict[int, str]:
    """Live processes that were started for this state directory: pid → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            variables = (entry / "environ").read_bytes()
        except OSError:
            continue
        mine = f"FARO_STATE_DIR={state}\0".encode() in variables or str(state) in words
        if words and mine:
            found[int(entry.name)] = words
    return found


def _until_nothing_is_left(state: Path, within_s: float) -> dict[int, str]:
    deadline = time.monotonic() + within_s
    while (left := _processes_of(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


@pytest.fixture
def home() -> Iterator[Path]:
    """Not pytest's own directory: where PostgreSQL runs as another user, it could not reach it."""
    path = Path(tempfile.mkdtemp(prefix="faro-up-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_the_check_plays_a_round_and_pays_by_the_rules_under_the_production_server():
    done = subprocess.run(
        [ROOT / "bin" / "up", "--check", "--server", "uvicorn"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert result["ok"] is True
    assert result["paid_minor"] == result["expected_minor"] > 0
    assert result["phases_seen"][-1] == "settled"
    assert result["restarts"] == {}
    assert result["stream"]["renditions"] == 3
    assert result["stream"]["advanced_by"] >= 1
    assert 3_000 <= result["stream"]["latency_ms"] <= 8_000  # of a busy machine; measured: 3,230


def test_it_survives_a_crash_stops_within_ten_seconds_and_keeps_its_data(home):
    state = home / "state"
    port = any_free(1)[0]
    up = Up(state, port)
    try:
        up.until_it_says("Ctrl-C stops everything")
        _crash_one_process(state, up)
        _refused_second_start(state)
        secrets = (state / "secrets.env").read_text()
        assert up.stop() < 10
        assert up.process.returncode == 0
        assert _until_nothing_is_left(state, 1) == {}
        again = Up(state, port)
        again.until_it_says("Ctrl-C stops everything")
        assert (state / "secrets.env").read_text() == secrets
        again.process.kill()  # nothing of ours can clean up after this; the kernel has to
        again.process.wait()
        assert _until_nothing_is_left(state, 15) == {}
    finally:
        for pid in _processes_of(state):
            os.kill(pid, signal.SIGKILL)


def _crash_one_process(state: Path, up: Up) -> None:
    (relay,) = [pid for pid, words in _processes_of(state).items() if "manage.py relay" in words]
    os.kill(relay, signal.SIGKILL)
    up.until_it_says("relay stopped (signal SIGKILL); next try in 0.5 s")
    up.until_it_says("relay started again")
    with urlopen(f"http://127.0.0.1:{up.port}/readyz", timeout=10) as answer:
        assert answer.status == 200


def _refused_second_start(state: Path) -> None:
    second = subprocess.run(
        [ROOT / "bin" / "up", "--state", state, "--port", "0"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert "another bin/up" in line


def test_a_state_directory_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = subprocess.run(
        [ROOT / "bin" / "up", "--state", tmp_path / "file" / "state"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("faro: cannot write the state directory")

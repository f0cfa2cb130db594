"""Making the environment: from nothing but Python, and what a person reads when it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = "deploy/bootstrap/environment.sh"


@pytest.fixture
def clone(tmp_path) -> Path:
    """The few files that the set-up reads, in a directory of their own."""
    shutil.copytree(ROOT / "deploy" / "bootstrap", tmp_path / "deploy" / "bootstrap")
    (tmp_path / "requirements.txt").write_text("")
    return tmp_path


def _set_up(clone: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(clone), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [clone / SCRIPT, "requirements.txt"],
        env=bare | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_an_index_it_says_so_in_one_line(clone):
    done = _set_up(clone, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert (done.returncode, done.stdout) == (1, "")
    said = done.stderr.splitlines()
    assert len(said) == 2  # that it begins, and why it cannot go on
    assert said[1].startswith("faro: cannot fetch uv:")


def test_without_python_it_says_so_in_one_line(clone):
    (clone / "bin").mkdir()
    for program in ("sh", "dirname"):
        (clone / "bin" / program).symlink_to(shutil.which(program) or "")
    done = _set_up(clone, PATH=str(clone / "bin"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "needs Python 3.11" in line


def test_a_finished_environment_costs_no_time_and_no_network(clone):
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    stamp = clone / ".venv" / "faro-requirements.json"
    stamp.write_text(f'{{"requirements.txt": "{empty}"}}')
    done = _set_up(clone, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{python}\n", "")


def test_an_interrupted_environment_is_not_taken_for_a_finished_one(clone):
    test_a_finished_environment_costs_no_time_and_no_network(clone)
    (clone / ".venv" / "faro-unfinished").touch()
    done = _set_up(clone, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1


def test_no_requirement_comes_without_a_hash():
    for name in ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        pinned = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert pinned
        assert [line for line in pinned if "==" not in line or "--hash=sha256:" not in line] == []

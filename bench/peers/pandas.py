"""pandas in an environment of its own: made once, used by `bin/bench reconcile` only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
#: With the rest of the state: beside our folders it would be something that Python can import.
HOME: Final = _HERE.parents[1] / "var" / "bench" / "pandas"
#: Wheels for CPython 3.11 on x86-64 Linux, by their hashes.
REQUIREMENTS: Final = _HERE / "pandas_requirements.txt"
PROGRAM: Final = _HERE / "reconcile_pandas.py"


def python() -> Path:
    """Its Python; installs it where it is not there yet; ``SystemExit`` when it cannot."""
    if not (HOME / "installed").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(HOME)])
        install = ["install", "--quiet", "--only-binary", ":all:", "--require-hashes"]
        _run([str(HOME / "bin" / "python"), "-m", "pip", *install, "-r", str(REQUIREMENTS)])
        (HOME / "installed").touch()
    return HOME / "bin" / "python"


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip()[-400:]
        raise SystemExit(f"bin/bench reconcile: {' '.join(words[:4])} failed: {said}")

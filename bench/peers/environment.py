"""Environments of the others that we are measured against: made once, each with its own Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
#: With the rest of the state: beside our folders it would be something that Python can import.
_HOME: Final = _HERE.parents[1] / "var" / "bench"


def python(name: str, *options: str) -> Path:
    """The Python of ``name``; with what `NAME_requirements.txt` names, by hashes, where it is not
    there yet. ``options`` are pip's. ``SystemExit`` when it cannot be installed."""
    home = _HOME / name
    own = home / "bin" / "python"
    if not (home / "installed").exists():
        run([sys.executable, "-m", "venv", "--clear", str(home)])
        install = ["install", "--quiet", "--require-hashes", *options]
        requirements = str(_HERE / f"{name}_requirements.txt")
        run([str(own), "-m", "pip", *install, "-r", requirements])
        (home / "installed").touch()
    return own


def run(words: Sequence[str], more: Mapping[str, str] | None = None) -> str:
    """What a program of theirs says, which sees nothing of our Django and Python; ``SystemExit``
    where it fails."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTHON"))}
    done = subprocess.run(
        words, env={**kept, **(more or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip()[-400:]
        raise SystemExit(f"bin/bench: {' '.join(words[:4])} failed: {said}")
    return done.stdout

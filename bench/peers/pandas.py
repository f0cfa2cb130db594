"""pandas in an environment of its own: made once, used by `bin/bench reconcile` only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.peers import environment

PROGRAM: Final = Path(__file__).resolve().with_name("reconcile_pandas.py")


def python() -> Path:
    """Its Python; installs it where it is not there yet; ``SystemExit`` when it cannot."""
    return environment.python("pandas", "--only-binary", ":all:")

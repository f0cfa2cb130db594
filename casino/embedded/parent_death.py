"""A child that must not outlive its parent: the kernel signals it when the parent dies.

Covers what no clean-up code can: SIGKILL of the supervisor or of a test run.
"""

from __future__ import annotations

import shutil


def prefix(signal_name: str = "TERM") -> tuple[str, ...]:
    """Words to put before a command; empty where util-linux's ``setpriv`` is missing."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", signal_name) if setpriv else ()

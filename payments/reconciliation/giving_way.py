"""The worker's runs, in a process of their own that gives way to whoever serves players.

A process cannot take back its niceness, and keeps the memory that the engine had: so the worker
itself does not run them. What is begun is finished if the worker dies; the next one waits for its
lock.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import structlog
from django.conf import settings

from payments.reconciliation import attempts

log = structlog.get_logger(__name__)

#: The command nices itself, whoever starts it (`manage.py reconcile`).
COMMAND: Final = (sys.executable, "manage.py", "reconcile", "--waiting")


def sweep(most_s: float, environment: Mapping[str, str] | None = None) -> bool:
    """Do the runs that wait, if there are any; whether that ended well. A process that takes longer
    than ``most_s`` seconds is ended: its attempt is taken up again later.
    """
    if not attempts.is_due():
        return True
    try:
        done = subprocess.run(
            COMMAND,
            cwd=settings.BASE_DIR,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            timeout=most_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        log.error("reconciliation_took_too_long", most_s=most_s)
        return False
    if done.returncode:
        log.error("reconciliation_process_failed", status=done.returncode)
    return done.returncode == 0

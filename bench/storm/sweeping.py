"""The sweeps of payments as a process of its own, again and again: what beat and worker do."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

import django

django.setup()

# isort: split
from django.db import Error, connections  # noqa: E402  (after Django is set up)

from audit.database_clock import database_now  # noqa: E402  (as above)
from payments import polling  # noqa: E402  (as above)
from payments.messages import catching_up  # noqa: E402  (as above)
from payments.models import Withdrawal  # noqa: E402  (as above)
from payments.states import FIRST_POLL  # noqa: E402  (as above)

PAUSE_S: Final = 0.3
#: Sweeps between two looks for messages that never came.
CATCH_UP_EVERY: Final = 20


def main(note: Path) -> None:
    """Until it is killed. A database that is gone is there again at the next turn.

    At its first turn it writes its number into ``note``.
    """
    turn = 0
    note.write_text(str(os.getpid()))
    while True:
        turn += 1
        try:
            _make_payouts_due()
            polling.sweep()
            if turn % CATCH_UP_EVERY == 0:
                catching_up.catch_up()
        except Error as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            connections.close_all()
        time.sleep(PAUSE_S)


def _make_payouts_due() -> None:
    """What waits for its first look has it now: a storm has no twenty seconds for each."""
    now = database_now()
    soon = Withdrawal.objects.filter(polls=0, poll_at__lt=now + FIRST_POLL)
    soon.update(poll_at=now)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

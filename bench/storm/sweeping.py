"""The sweeps of payments as a process of its own, again and again: what beat and worker do."""

from __future__ import annotations

import sys
import time
from typing import Final

import django

django.setup()

# isort: split
from django.db import Error, connections  # noqa: E402  (after Django is set up)

from payments import polling  # noqa: E402  (as above)
from payments.messages import catching_up  # noqa: E402  (as above)

PAUSE_S: Final = 0.3
#: Sweeps between two looks for messages that never came.
CATCH_UP_EVERY: Final = 20


def main() -> None:
    """Until it is killed. A database that is gone is there again at the next turn."""
    turn = 0
    while True:
        turn += 1
        try:
            polling.sweep()
            if turn % CATCH_UP_EVERY == 0:
                catching_up.catch_up()
        except Error as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            connections.close_all()
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()

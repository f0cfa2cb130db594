"""Each host checks itself: after a process began, daily from then on, and soon after an approval.

Every web process and every worker has one thread for this, so no host that serves depends on
another's schedule. Of several processes of one host one measures, and the others see that it did.
"""

from __future__ import annotations

import logging
import socket
import threading
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection, connections, transaction

from audit.database_clock import database_now
from audit.shared_connections import take_own
from casino import self_check
from kernel.clock import monotonic_ms

logger = logging.getLogger(__name__)

#: Whoever has just begun has better things to do than to read ten thousand files.
FIRST_S: Final = 60.0
LOOK_EVERY_S: Final = 300.0
#: Well within a day, so that a late look is still in time.
EVERY: Final = timedelta(hours=23)


def start() -> None:
    """Begin to look, in a thread that ends with the process; not where tests measure themselves."""
    if settings.FARO_MODE != "test":
        threading.Thread(target=_work, name="self-check", daemon=True).start()


def _work() -> None:
    began_ms, pause = monotonic_ms(), threading.Event()
    pause.wait(FIRST_S)
    while True:
        take_own()  # all files of the program are read under its lock
        try:
            check_if_due(timedelta(milliseconds=monotonic_ms() - began_ms))
        except Exception:  # whatever it is: the next look must come
            logger.exception("self-check: this host could not be checked")
        finally:
            connections.close_all()
        pause.wait(LOOK_EVERY_S)


def check_if_due(uptime: timedelta) -> bool:
    """Check this host unless it was checked since this process began, the approval, and a day."""
    host = socket.gethostname()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtext('casino_own_check'), hashtext(%s))",
                [host],
            )
            if not cursor.fetchone()[0]:
                return False  # another process of this host is at it
        since = database_now() - min(EVERY, uptime)
        if any(
            one.host == host and one.is_current and one.at > since
            for one in self_check.last_checks()
        ):
            return False
        self_check.check(self_check.DAILY)
    return True

"""Jobs of the record, run by the worker."""

from __future__ import annotations

import logging

from celery import shared_task

from audit import seals
from audit.partitions import rooms

logger = logging.getLogger(__name__)


@shared_task(name="audit.tasks.seal")
def seal(*, everything: bool = False) -> int:
    """Seal new rows of every source; returns how many rows were sealed.

    Every minute; once a day with ``everything``, which also finds rows older than a day.
    """
    made = [one for source in seals.sources() for one in seals.seal(source, everything=everything)]
    return sum(one.row_count for one in made)


@shared_task(name="audit.tasks.extend_partitions")
def extend_partitions() -> int:
    """Look, daily, whether every table has months ahead; returns how many have not.

    The worker has no right to make them: it says, loudly, what the owner role must do.
    """
    short = [room for room in rooms() if not room.enough]
    for room in short:
        logger.error(
            "partitions run out: %s has %d months ahead and %d bytes in default;"
            " run manage.py extend_partitions under FARO_ROLE=owner",
            room.table,
            room.months_ahead,
            room.default_bytes,
        )
    return len(short)

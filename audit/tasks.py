"""Jobs of the record, run by the worker."""

from __future__ import annotations

import logging

from celery import shared_task

from audit import seals, witness
from audit.partitions import rooms

logger = logging.getLogger(__name__)


@shared_task(name="audit.tasks.seal")
def seal(*, everything: bool = False) -> int:
    """Seal new rows of every source; returns how many rows were sealed.

    Every minute; once a day with ``everything``, which also finds rows older than a day.
    """
    made = [one for source in seals.sources() for one in seals.seal(source, everything=everything)]
    return sum(one.row_count for one in made)


@shared_task(name="audit.tasks.tell_witness")
def tell_witness() -> int:
    """Post to the witness what it was not told yet; returns how many seals it took.

    Every 10 seconds. Nothing where no witness is set.
    """
    found = witness.configured()
    return 0 if found is None else witness.tell(found)


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

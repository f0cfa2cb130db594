"""Jobs of the ledger, run by the worker."""

from __future__ import annotations

from typing import Final

from celery import shared_task
from django.db import transaction

from ledger import holds

#: Holds ended in one transaction: its accounts stay locked for some milliseconds only.
BATCH: Final = 100


@shared_task(name="ledger.tasks.expire_holds")
def expire_holds() -> int:
    """End every hold whose time is over; returns how many. Every minute."""
    ended = 0
    while True:
        with transaction.atomic():
            some = len(holds.expire_due(BATCH))
        ended += some
        if some < BATCH:
            return ended

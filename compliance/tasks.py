"""Celery's way into compliance."""

from __future__ import annotations

from celery import shared_task

from compliance import facts


@shared_task(name="compliance.tasks.fold_facts", ignore_result=True)
def fold_facts() -> None:
    """Sum fresh facts into days, batch by batch until none is left. Scheduled every 10 s."""
    while facts.fold() == facts.FOLD_BATCH_MAX:
        pass

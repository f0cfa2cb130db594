"""Celery's way into compliance."""

from __future__ import annotations

from celery import shared_task

from compliance import case_keeping, facts


@shared_task(name="compliance.tasks.fold_facts", ignore_result=True)
def fold_facts() -> None:
    """Sum fresh facts into days, batch by batch until none is left. Scheduled every 10 s."""
    while facts.fold() == facts.FOLD_BATCH_MAX:
        pass


@shared_task(name="compliance.tasks.alarm_overdue_cases", ignore_result=True)
def alarm_overdue_cases() -> None:
    """Tell support and compliance which cases have become late. Scheduled every 5 min."""
    case_keeping.alarm_overdue()


@shared_task(name="compliance.tasks.purge_cases", ignore_result=True)
def purge_cases() -> None:
    """Forget cases whose retention is over, batch by batch. Scheduled daily."""
    while case_keeping.purge() == case_keeping.BATCH:
        pass

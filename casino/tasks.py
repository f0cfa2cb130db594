"""Celery's way into what composes the house."""

from __future__ import annotations

from celery import shared_task

from casino import self_check


@shared_task(name="casino.tasks.run_self_check", ignore_result=True)
def run_self_check() -> None:
    """Compare what runs on this host with what was approved. Scheduled daily (G19 2.3.2)."""
    self_check.check(self_check.DAILY)

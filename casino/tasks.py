"""Celery's way into what composes the house."""

from __future__ import annotations

from celery import shared_task

from casino import self_check


@shared_task(name="casino.tasks.run_self_check", ignore_result=True)
def run_self_check() -> None:
    """Compare what runs on the host of the worker that took this with what was approved.

    Scheduled daily (G19 2.3.2); the other hosts check themselves (`casino.own_check`).
    """
    self_check.check(self_check.DAILY)

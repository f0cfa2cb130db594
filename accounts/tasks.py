"""Celery's way into accounts."""

from __future__ import annotations

from celery import shared_task

from accounts import idle


@shared_task(name="accounts.tasks.end_unused_sessions", ignore_result=True)
def end_unused_sessions() -> None:
    """Sign out browsers in which nothing was done for their time. Scheduled every 30 s."""
    while idle.end_unused() == idle.SWEEP_MAX:
        pass

"""Celery's way into the back office."""

from __future__ import annotations

from celery import shared_task

from backoffice import watching


@shared_task(name="backoffice.tasks.watch", ignore_result=True)
def watch() -> None:
    """Evaluate the rules of watching. Scheduled every half hour."""
    watching.run()

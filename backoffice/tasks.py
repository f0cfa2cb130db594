"""Celery's way into the back office."""

from __future__ import annotations

from celery import shared_task

from backoffice import rule_trials, watching


@shared_task(name="backoffice.tasks.watch", ignore_result=True)
def watch() -> None:
    """Evaluate the rules of watching. Scheduled every half hour."""
    watching.run()


@shared_task(name="backoffice.tasks.try_rules", ignore_result=True)
def try_rules() -> None:
    """Try on history what officers asked for, one after the other. When asked, and every 10 s."""
    rule_trials.run()

"""Celery's way into the back office."""

from __future__ import annotations

from celery import shared_task

from backoffice import rule_trials, watching
from backoffice.data_rights import deciding, erasing, erasure_log, sign_in_traces


@shared_task(name="backoffice.tasks.watch", ignore_result=True)
def watch() -> None:
    """Evaluate the rules of watching. Scheduled every half hour."""
    watching.run()


@shared_task(name="backoffice.tasks.try_rules", ignore_result=True)
def try_rules() -> None:
    """Try on history what officers asked for, one after the other. When asked, and every 10 s."""
    rule_trials.run()


@shared_task(name="backoffice.tasks.keep_retention", ignore_result=True)
def keep_retention() -> None:
    """Erase what has its day, and tell the file outside what is gone. Scheduled daily; a run that
    dies is gone on with by the next one.
    """
    erasing.run()
    sign_in_traces.forget()
    erasure_log.write()


@shared_task(name="backoffice.tasks.alarm_data_requests", ignore_result=True)
def alarm_data_requests() -> None:
    """Tell officers which requests about data are late, and keep the file of erasures up to date,
    whatever the process that erased did not get to. Scheduled every 5 min.
    """
    deciding.alarm_overdue()
    erasure_log.write_what_is_new()

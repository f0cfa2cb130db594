"""Celery's way into the back office."""

from __future__ import annotations

import logging
from collections.abc import Callable

from celery import shared_task

from backoffice import rule_trials, watching
from backoffice.data_rights import deciding, erasing, erasure_log, provider_files, sign_in_traces
from payments import provider_events

logger = logging.getLogger(__name__)


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
    dies is gone on with by the next one. A step that fails lets the others run, and the task fails.
    """
    steps: tuple[Callable[[], object], ...] = (
        erasing.run,
        erasing.drop_bytes,
        sign_in_traces.forget,
        sign_in_traces.forget_sessions,
        provider_events.forget_strangers,
        provider_files.forget_provider_files,
        erasure_log.write,
    )
    failed = [step.__name__ for step in steps if not _went_well(step)]
    if failed:
        raise RuntimeError(f"steps of retention failed: {failed}")


def _went_well(step: Callable[[], object]) -> bool:
    try:
        step()
    except Exception:  # told by the task's own failure when the other steps have run
        logger.exception("a step of retention failed: %s", step.__name__)
        return False
    return True


@shared_task(name="backoffice.tasks.alarm_data_requests", ignore_result=True)
def alarm_data_requests() -> None:
    """Tell officers which requests about data are late, and keep the file of erasures up to date,
    whatever the process that erased did not get to. Scheduled every 5 min.
    """
    deciding.alarm_overdue()
    erasure_log.write_what_is_new()

"""Celery's way into the back office."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from celery import shared_task

from audit.database_clock import database_now
from audit.locks import only_one
from backoffice import rule_trials, watching
from backoffice.data_rights import deciding, erasing, erasure_log, provider_files, sign_in_traces
from backoffice.finance import statements
from kernel.ids import Actor
from payments.messages import provider_events

logger = logging.getLogger(__name__)

#: It reads every bet of the house; longer than any other job may take.
STATEMENT_S_MAX: Final = 3_600
#: One at a time: it is asked for more often than a large one is made.
STATEMENT_LOCK: Final = 6_000_024


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


@shared_task(name="backoffice.tasks.state_day", ignore_result=True, time_limit=STATEMENT_S_MAX)
def state_day() -> None:
    """Make the statement of yesterday where one is due: none yet, or an incomplete or differing one
    that a run of reconciliation since may make agree. Scheduled every 10 min; a run while another
    is at it does nothing. What differs is logged as an error."""
    with only_one(STATEMENT_LOCK) as is_alone:
        day = statements.due(database_now()) if is_alone else None
        if day is None:
            return
        made = statements.make(day, actor=Actor.system("daily_statement"))
    if made.verdict == statements.Verdict.DIFFERS.value:
        logger.error("the statement of %s differs: rounds, books or providers disagree", day)


@shared_task(name="backoffice.tasks.alarm_data_requests", ignore_result=True)
def alarm_data_requests() -> None:
    """Tell officers which requests about data are late, and keep the file of erasures up to date,
    whatever the process that erased did not get to. Scheduled every 5 min.
    """
    deciding.alarm_overdue()
    erasure_log.write_what_is_new()

"""Celery's way into payments: ids in, reload, repeatable."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from celery import shared_task

from kernel.clock import SystemClock
from payments import polling
from payments.alone import done_alone
from payments.files import inbox
from payments.messages import catching_up, provider_events
from payments.reconciliation import giving_way, work


@shared_task(name="payments.tasks.apply_events", ignore_result=True)
def apply_events(row_ids: list[str]) -> None:
    """Apply stored webhooks; each that cannot be applied now is left to the sweep."""
    for row_id in row_ids:
        done_alone(partial(provider_events.apply_stored, UUID(row_id)), row_id)


@shared_task(name="payments.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Find and do what waits. Scheduled every 10 s."""
    polling.sweep()


@shared_task(name="payments.tasks.catch_up", ignore_result=True)
def catch_up() -> None:
    """Ask for messages that never came. Scheduled every minute."""
    catching_up.catch_up()


@shared_task(name="payments.tasks.import_files", ignore_result=True)
def import_files() -> None:
    """Import what was laid into `RECONCILIATION_INBOX`. Scheduled every minute."""
    inbox.import_settled(SystemClock())


#: A run over large files takes longer than other tasks may; one that dies is taken up again.
RECONCILIATION_S = 3_600


@shared_task(
    name="payments.tasks.reconcile",
    ignore_result=True,
    time_limit=RECONCILIATION_S,
)
def reconcile() -> None:
    """Do the runs of reconciliation that wait, in a process that gives way. Every 30 s."""
    giving_way.sweep(RECONCILIATION_S - 60)


@shared_task(name="payments.tasks.ask_reconciliation", ignore_result=True)
def ask_reconciliation() -> None:
    """Ask for the nightly run over all providers. Scheduled daily."""
    work.nightly()

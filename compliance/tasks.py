"""Celery's way into compliance."""

from __future__ import annotations

from pathlib import Path

from celery import shared_task
from django.conf import settings

from audit.database_clock import database_now
from compliance import case_keeping, exclusion, facts, play_time
from compliance.jurisdictions import stop_alarm
from compliance.kyc import strays, sweeps
from compliance.own_register import likenesses
from compliance.registries import checking
from compliance.screening import hits, screening, watched
from compliance.watching import casework
from kernel.clock import SystemClock


@shared_task(name="compliance.tasks.fold_facts", ignore_result=True)
def fold_facts() -> None:
    """Sum fresh facts into days, batch by batch until none is left. Scheduled every 10 s."""
    while facts.fold() == facts.FOLD_BATCH_MAX:
        pass


@shared_task(name="compliance.tasks.alarm_overdue_cases", ignore_result=True)
def alarm_overdue_cases() -> None:
    """Tell support, compliance and officers what is late or stops play. Scheduled every 5 min."""
    case_keeping.alarm_overdue()
    casework.alarm_overdue()
    hits.alarm_overdue()
    likenesses.alarm_overdue()
    stop_alarm.alarm()


@shared_task(name="compliance.tasks.purge_cases", ignore_result=True)
def purge_cases() -> None:
    """Forget cases whose retention is over, batch by batch. Scheduled daily."""
    while case_keeping.purge() == case_keeping.BATCH:
        pass


@shared_task(name="compliance.tasks.screen_players", ignore_result=True)
def screen_players() -> None:
    """Compare who is new or changed, or everybody after a new list. Scheduled every 30 s; a run
    ends after two minutes and the next one goes on.
    """
    screening.run()


@shared_task(name="compliance.tasks.load_lists", ignore_result=True)
def load_lists() -> None:
    """Load what was laid into `FARO_SCREENING_DIRECTORY`. Scheduled every 60 s."""
    if settings.FARO_SCREENING_DIRECTORY:
        watched.load_changed(Path(settings.FARO_SCREENING_DIRECTORY), SystemClock())


@shared_task(name="compliance.tasks.ask_registries", ignore_result=True)
def ask_registries() -> None:
    """Ask national registers again that gave no clear answer, or whose one lapses. Every 30 s."""
    checking.retry()


@shared_task(name="compliance.tasks.compare_with_excluded", ignore_result=True)
def compare_with_excluded() -> None:
    """Compare all accounts with the house's register of excluded people. Every hour."""
    exclusion.compare_with_all()


@shared_task(name="compliance.tasks.sweep_kyc", ignore_result=True)
def sweep_kyc() -> None:
    """Whatever time brings to identity checks: begin, remind, expire, alarm. Every 10 s."""
    sweeps.sweep()


@shared_task(name="compliance.tasks.end_paused_sessions", ignore_result=True)
def end_paused_sessions() -> None:
    """Note down sessions of play that a pause has ended. Scheduled every minute."""
    play_time.end_paused_sessions()


@shared_task(name="compliance.tasks.forget_old_quarters", ignore_result=True)
def forget_old_quarters() -> None:
    """Remove sums that no window reaches any more. Scheduled daily."""
    facts.forget_old_quarters(database_now())


@shared_task(name="compliance.tasks.look_at_documents", ignore_result=True)
def look_at_documents() -> None:
    """The automatic checks of what was handed in. Every 10 s; ends by itself after 20 s."""
    sweeps.look_at_documents()


@shared_task(name="compliance.tasks.sweep_strays", ignore_result=True)
def sweep_strays() -> None:
    """Delete stored bytes that no document answers for. Every hour; ends by itself after 30 s."""
    strays.sweep()


@shared_task(name="compliance.tasks.scan_again", ignore_result=True)
def scan_again() -> None:
    """Ask about quarantined files once more. Every 60 s; ends at the scanner's first silence."""
    sweeps.scan_again()

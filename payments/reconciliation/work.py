"""The worker's side of runs: what was asked for, one at a time; progress and failures told."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from django.db import transaction

from accounts.appointments import holders
from accounts.roles import Role
from audit.locks import only_one
from audit.record import Subject, record, register
from kernel.ids import Actor
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from notices.send import notify
from payments.notice_kinds import RECONCILIATION_FAILED
from payments.reconciliation import attempts, runs
from payments.reconciliation.attempts import Cause
from payments.reconciliation.models import Attempt
from payments.reconciliation.runs import Done

log = structlog.get_logger(__name__)

FINISHED: Final = register("reconciliation.finished", "Reconciliation finished")
FAILED: Final = register("reconciliation.failed", "Reconciliation failed")
#: So many of what was asked for are done by one task; the next sweep goes on.
AT_ONCE: Final = 5


def sweep() -> int:
    """Do what waits, one run after the other; returns how many ended. Nothing while another is at
    it: that one comes to it. What killed its workers too often ends first, and finance is told."""
    ended = 0
    with only_one(runs.RUN_LOCK) as is_alone:
        for one in attempts.given_up() if is_alone else ():
            _fail(one, attempts.WORKER_DIED, f"its worker died {one.tries} times")
            ended += 1
        while is_alone and ended < AT_ONCE and (attempt := attempts.claim()) is not None:
            try:
                carry_out(attempt)
            except (Refused, InvariantBroken):
                log.warning("reconciliation_failed", attempt=str(attempt.pk))
            ended += 1
    return ended


def nightly() -> None:
    """Ask for a run over all providers."""
    attempts.ask(Cause.NIGHTLY, actor=Actor.system("beat"))


def after_import(file_id: UUID) -> None:
    """Ask for a run, since a file came: the next sweep does it. For `files.telling`."""
    attempts.ask(Cause.IMPORT, actor=Actor.system("import"))


def carry_out(attempt: Attempt, report_dir: Path | None = None) -> Done:
    """Do ``attempt``, which is ours, and end it. The caller holds `runs.RUN_LOCK`.

    What it refuses or breaks is kept in the attempt, told to finance, and raised.
    """
    try:
        done = runs.perform(
            attempt.provider,
            attempt.as_of,
            dry_run=attempt.dry_run,
            report_dir=report_dir,
            tell=lambda step, at, total: attempts.beat(attempt.pk, step, at, total),
        )
    except Refused as refused:
        _fail(attempt, str(refused.code), f"{refused.code}: {dict(refused.data)}")
        raise
    except Exception as error:  # whatever it was, the attempt ends, and people are told
        log.exception("reconciliation_bug", attempt=str(attempt.pk))
        _fail(attempt, attempts.BUG, f"{type(error).__name__}: {error}")
        raise
    with transaction.atomic():
        attempts.finish(attempt.pk, done.run.pk if done.run else None)
        record(
            FINISHED,
            actor=runs.ACTOR,
            subject=Subject("reconciliation", done.run_id),
            component="payments",
            after={
                "attempt": str(attempt.pk),
                "as_of": done.header.as_of.isoformat(),
                "dry_run": attempt.dry_run,
                "is_new": done.is_new,
                "booked": done.booked,
                "events": done.events,
            },
        )
    return done


def _fail(attempt: Attempt, code: str, message: str) -> None:
    with transaction.atomic():
        attempts.fail(attempt.pk, code, message)
        record(
            FAILED,
            actor=runs.ACTOR,
            subject=Subject("reconciliation", str(attempt.pk)),
            component="payments",
            after={"code": code, "message": message[:400], "cause": attempt.cause},
        )
        for person_id in sorted(holders(Role.FINANCE)):
            notify(person_id, RECONCILIATION_FAILED, {"code": code, "message": message[:200]})

"""Tries at a run: asked for by the clock, an import, a command or a page; the queue is rows.

One runs at a time in the whole house. A worker that dies leaves a row whose beat grows old, and the
next sweep takes it up again, `TRIES_MAX` times at most: everything that a run does may be repeated.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from accounts.rights import check_right
from audit.database_clock import database_now
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from payments.reconciliation.models import Attempt
from payments.reconciliation.policy import current_policy
from payments.reconciliation.words import AttemptState, ReconciliationCode

WORK: Final = "payments.work_reconciliation"
#: One that has told nothing for so long seems dead. A step may be longer: `runs.RUN_LOCK` keeps
#: anybody from taking up one that lives.
DEAD_AFTER_S: Final = 300
TRIES_MAX: Final = 3
MESSAGE_MAX: Final = 2_000
#: Codes of tries that ended without a refusal.
WORKER_DIED: Final = "worker_died"
BUG: Final = "reconciliation_bug"


class Cause(StrEnum):
    """Why a run was asked for."""

    NIGHTLY = "nightly"
    IMPORT = "import"
    COMMAND = "command"
    PAGE = "page"


def ask(
    cause: Cause,
    *,
    actor: Actor,
    provider: str = "",
    as_of: datetime | None = None,
    dry_run: bool = False,
) -> Attempt:
    """Put a run in the queue: of ``provider``, or of all; as of ``as_of``, or of when it begins.

    One that waits already for the same is the answer: files that come one after the other make one
    run. Refuses with ``NOT_ALLOWED``, ``AS_OF_IN_FUTURE`` or ``UNKNOWN_PROVIDER``.
    """
    check_right(actor, WORK)
    if as_of is not None and as_of > (now := database_now()):
        raise Refused(ReconciliationCode.AS_OF_IN_FUTURE, now=now.isoformat())
    if provider and provider not in current_policy().providers:
        raise Refused(ReconciliationCode.UNKNOWN_PROVIDER, provider=provider[:64])
    waiting = Attempt.objects.filter(
        state=AttemptState.WAITING.value, provider=provider, as_of=as_of, dry_run=dry_run
    ).first()
    if waiting is not None:
        return waiting
    made = Attempt(
        id=new_id(),
        asked_by=str(actor),
        cause=cause.value,
        provider=provider,
        as_of=as_of,
        dry_run=dry_run,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_reconciliation_attempt"
            " (id, asked_by, cause, provider, as_of, dry_run) VALUES (%s, %s, %s, %s, %s, %s)",
            [made.id, made.asked_by, made.cause, provider, as_of, dry_run],
        )
    return Attempt.objects.get(pk=made.id)


def claim(only: UUID | None = None) -> Attempt | None:
    """The one that waits longest, or whose worker died, now ours; None where there is none.

    ``only`` claims this one alone. One that killed its workers `TRIES_MAX` times is left alone.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_reconciliation_attempt SET state = 'running', step = '', done = 0,"
            " total = 0, tries = tries + 1, beat_at = clock_timestamp()"
            " WHERE id = (SELECT id FROM payments_reconciliation_attempt"
            "  WHERE (state = 'waiting' OR (state = 'running' AND tries < %s"
            "   AND beat_at < clock_timestamp() - make_interval(secs => %s)))"
            "  AND id = coalesce(%s, id) ORDER BY asked_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING id",
            [TRIES_MAX, DEAD_AFTER_S, only],
        )
        row = cursor.fetchone()
    return None if row is None else Attempt.objects.get(pk=row[0])


def given_up() -> list[Attempt]:
    """Those that killed their workers `TRIES_MAX` times: they are to be failed."""
    return list(Attempt.objects.filter(_seems_dead(), tries__gte=TRIES_MAX))


def is_due() -> bool:
    """Whether a sweep has something to do: one waits, or its worker seems dead."""
    waits = Q(state=AttemptState.WAITING.value)
    return Attempt.objects.filter(waits | _seems_dead()).exists()


def _seems_dead() -> Q:
    dead = database_now() - timedelta(seconds=DEAD_AFTER_S)
    return Q(state=AttemptState.RUNNING.value, beat_at__lt=dead)


def beat(attempt_id: UUID, step: str, done: int, total: int) -> None:
    """It is at ``step``, the ``done``-th of ``total``, and its worker lives."""
    _update(
        "step = %s, done = %s, total = %s, beat_at = clock_timestamp()",
        [step, done, total],
        attempt_id,
    )


def finish(attempt_id: UUID, run_id: str | None) -> None:
    """It is done; ``run_id`` is None where it was dry."""
    _update(
        "state = 'done', run_id = %s, done = total, ended_at = clock_timestamp()",
        [run_id],
        attempt_id,
    )


def fail(attempt_id: UUID, code: str, message: str) -> None:
    """It came to nothing, and why."""
    _update(
        "state = 'failed', code = %s, message = %s, ended_at = clock_timestamp()",
        [code, message[:MESSAGE_MAX]],
        attempt_id,
    )


def _update(what: str, values: list[Any], attempt_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE payments_reconciliation_attempt SET {what}"  # noqa: S608  (fixed words)
            " WHERE id = %s AND state = 'running'",
            [*values, attempt_id],
        )

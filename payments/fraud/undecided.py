"""Reviews that nobody decides: who may decide hears of it in good time, the player when it ends.

A review is late after a day, and its hold ends after thirty: then the money is its player's
(docs/decisions/0139). Finance and compliance are told when it is late, again a week before the
hold ends, and when it has ended; the player is told then that the money is free. Each once: what
was told stands in the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from audit.record import Subject, record, register
from kernel.ids import Actor
from payments.disputes.telling import tell
from payments.fraud.review import ENDS, HELD_FOR
from payments.models import Deposit
from payments.notice_kinds import DEPOSIT_REVIEW_WAITS
from payments.steps import lock_deposit
from payments.words import telling

SYSTEM: Final = Actor.system("payments")
#: So long before the money is free those who may decide are told once more.
TOLD_BEFORE: Final = timedelta(days=7)
#: What ended so long ago is told no more; whoever sweeps was away for longer than a holiday.
TOLD_WITHIN: Final = timedelta(days=30)
#: Reviews in one run; the next one finds the rest.
BATCH: Final = 50


class Stage(StrEnum):
    """How long nobody has decided."""

    LATE = "late"
    ENDING = "ending"
    LAPSED = "lapsed"


_AUDITED: Final = {
    Stage.LATE: register("deposit.review_late", "Deposit's review is late"),
    Stage.ENDING: register("deposit.review_ending", "Deposit's review ends within a week"),
    Stage.LAPSED: register("deposit.review_lapsed", "Deposit's review ended undecided"),
}
_SQL: Final = f"""
SELECT deposit_id, stage, until_at, lapsed_minor FROM (
    SELECT r.deposit_id, r.due_at, held.until_at, held.lapsed_minor,
        CASE WHEN held.ended_at IS NOT NULL THEN 'lapsed'
            WHEN held.until_at < clock_timestamp() + %(before)s THEN 'ending'
            ELSE 'late' END AS stage
    FROM payments_fraud_review r {ENDS}
    WHERE r.due_at < clock_timestamp() AND r.due_at > clock_timestamp() - %(within)s
        AND v.deposit_id IS NULL AND (held.ended_at IS NULL OR held.lapsed_minor > 0)
        AND (%(only)s::uuid IS NULL OR r.deposit_id = %(only)s)
) found
WHERE NOT EXISTS (
    SELECT FROM audit_event a WHERE a.subject_kind = 'deposit'
        AND a.subject_id = found.deposit_id::text AND a.kind = 'deposit.review_' || found.stage
)
ORDER BY due_at, deposit_id LIMIT %(most)s
"""  # noqa: S608  (fixed words alone)


@dataclass(frozen=True, slots=True)
class Untold:
    """What is to be told of one review. ``until`` is when its hold ends or ended."""

    deposit_id: UUID
    stage: Stage
    until: datetime
    lapsed_minor: int


def untold() -> list[UUID]:
    """Deposits whose review has come to a stage that nobody was told of."""
    return [one.deposit_id for one in _read(None)]


def _read(only: UUID | None) -> list[Untold]:
    named: dict[str, Any] = {
        "before": TOLD_BEFORE,
        "within": HELD_FOR + TOLD_WITHIN,
        "only": only,
        "most": BATCH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SQL, named)
        return [Untold(row[0], Stage(row[1]), row[2], row[3]) for row in cursor.fetchall()]


def tell_of(deposit_id: UUID) -> None:
    """Tell what is untold of one review. Repeatable; locks the deposit."""
    with transaction.atomic():
        deposit = lock_deposit(deposit_id)
        for found in _read(deposit_id):
            _tell(deposit, found)


def _tell(deposit: Deposit, found: Untold) -> None:
    record(
        _AUDITED[found.stage],
        actor=SYSTEM,
        subject=Subject("deposit", str(deposit.pk)),
        component="payments",
        after={"player_id": deposit.player_id, "lapsed_minor": found.lapsed_minor},
    )
    facts: dict[str, str | int | bool | None] = {
        "stage": found.stage.value,
        "deposit": str(deposit.pk),
        "amount_minor": found.lapsed_minor or deposit.amount_minor,
        "currency": deposit.currency,
        "until": found.until.strftime("%Y-%m-%d %H:%M UTC"),
    }
    tell(DEPOSIT_REVIEW_WAITS, facts)
    if found.stage is Stage.LAPSED:
        telling.freed(deposit, found.lapsed_minor)

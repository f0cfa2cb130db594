"""What was found about a request and who agreed: written once, read by the database as well."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from audit.record import Subject, record, register
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from payments.approvals.models import ApprovalRow, AssessmentRow
from payments.approvals.policy import WithdrawalPolicy
from payments.approvals.rules import Assessment, Facts
from payments.fraud.words import Decision
from payments.paying_out.withdrawal_codes import WithdrawalCode

POLICY_USED: Final = register("withdrawal.policy", "A policy of withdrawals decides from now on")
AGREED: Final = register("withdrawal.agreed", "Somebody agreed to a withdrawal")
_ONCE: Final = "payments_approval_once"


def write(
    request_id: UUID,
    player_id: PlayerId,
    found: Assessment,
    *,
    facts: Facts,
    risk: Decision,
    policy: WithdrawalPolicy,
) -> AssessmentRow:
    """Keep what was found, in the caller's transaction; a policy's first use is recorded."""
    _note_policy(policy)
    row_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_assessment (id, request_id, player_id, policy_sha256, people,"
            " reasons, risk, risk_reasons, facts)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(row_id, request_id, player_id, policy.digest, found.people),
                *(list(found.reasons), risk.outcome.value, list(risk.reasons)),
                json.dumps(_told(facts)),
            ],
        )
    return AssessmentRow.objects.select_related("policy").get(pk=row_id)


def _told(facts: Facts) -> dict[str, Any]:
    newest = facts.newest_target
    return {
        "amount_minor": facts.amount_minor,
        "currency": facts.currency,
        "recent_minor": facts.recent_minor,
        "player_age_days": facts.player_age.days,
        "paid_before": facts.paid_before,
        "newest_target_hours": None if newest is None else int(newest.total_seconds()) // 3600,
        "disputes": facts.disputes,
        "is_verified": facts.is_verified,
        "is_stopped": facts.is_stopped,
    }


def _note_policy(policy: WithdrawalPolicy) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_withdrawal_policy (sha256, name, text) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [policy.digest, policy.name, policy.text],
        )
        is_new = cursor.rowcount == 1
    if is_new:
        record(
            POLICY_USED,
            actor=Actor.system("payments"),
            subject=Subject("withdrawal_policy", policy.name),
            component="payments",
            after={"sha256": policy.digest, "text": policy.text},
        )


def latest(request_id: UUID) -> AssessmentRow | None:
    """What was found last about a request."""
    found = AssessmentRow.objects.filter(request_id=request_id).select_related("policy")
    return found.order_by("-at", "-id").first()


def agree(row: AssessmentRow, *, actor: Actor, reason: str = "") -> int:
    """One more agrees to what was found; how many have to that. Refuses with ``SAME_PERSON``.

    A word to an earlier finding is none to this one: who gave it may give another.
    """
    _say(row, actor, "approve", reason)
    record(
        AGREED,
        actor=actor,
        subject=Subject("withdrawal", str(row.request_id)),
        component="payments",
        after={"policy": row.policy.name, "sha256": row.policy_id, "people": row.people},
        reason=reason,
    )
    return ApprovalRow.objects.filter(assessment=row, verdict="approve").count()


def refuse(row: AssessmentRow, *, actor: Actor, reason: str) -> None:
    """Somebody said no."""
    _say(row, actor, "reject", reason)


def _say(row: AssessmentRow, actor: Actor, verdict: str, reason: str) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO payments_approval (id, request_id, player_id, assessment_id, actor,"
                " verdict, reason) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    *(new_id(), row.request_id, row.player_id, row.id, str(actor)),
                    *(verdict, reason.strip()[:400]),
                ],
            )
    except IntegrityError as error:
        if _ONCE not in str(error):
            raise
        raise Refused(WithdrawalCode.SAME_PERSON) from None


def words_on(request_id: UUID) -> list[ApprovalRow]:
    """Who said what about a request, the earliest first."""
    return list(ApprovalRow.objects.filter(request_id=request_id))

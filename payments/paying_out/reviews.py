"""Looking at a request for a withdrawal: what the policy asks, and the people who say yes or no.

A request is decided as one; its parts go on or end together, but for a part whose deposit or
account is gone meanwhile, which ends alone. The database counts the people once more (0014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from accounts.rights import check_right
from audit.database_clock import database_now
from compliance import freezing
from compliance.standing import StandingNow, lock_standing
from kernel.ids import Actor, ActorKind, PlayerId
from kernel.invariant import ensure
from kernel.refusal import Refused
from payments.approvals import facts, records
from payments.approvals.models import AssessmentRow
from payments.approvals.rules import assess
from payments.fraud.words import Decision, Outcome
from payments.models import Withdrawal
from payments.paying_out import parts as request_parts
from payments.paying_out.payout_plan import policy_for
from payments.paying_out.withdrawal_codes import NotApproved, WithdrawalCode
from payments.states import WithdrawalState
from payments.steps import move_withdrawal

#: Requests that one sweep lets go by themselves.
AUTOMATIC_MAX: Final = 50
DECIDE: Final = "payments.approve_withdrawal"
HOUSE: Final = Actor.system("payments")


def look_at(
    standing: StandingNow, parts: Sequence[Withdrawal], risk: Decision | None = None
) -> AssessmentRow:
    """What the policy in force asks of these parts now; kept where it is not what was found last.

    ``risk`` is what the rules against fraud said; None: as they said last. In the caller's
    transaction.
    """
    first, now = parts[0], database_now()
    before = records.latest(first.request_id)
    if risk is None:
        risk = Decision() if before is None else _risk_of(before)
    policy = policy_for(standing, now)
    told = facts.gather(standing, parts, risk.outcome, now, policy.counted_within)
    found = assess(told, policy.rules, policy.automatic)
    if before is not None and (before.policy_id, before.people, before.reasons) == (
        policy.digest,
        found.people,
        list(found.reasons),
    ):
        return before
    return records.write(
        first.request_id, standing.player_id, found, facts=told, risk=risk, policy=policy
    )


def _risk_of(row: AssessmentRow) -> Decision:
    return Decision(Outcome(row.risk), tuple(row.risk_reasons))


def approve(request_id: UUID, *, actor: Actor) -> Withdrawal:
    """A member of staff agrees to a request; it goes on once as many did as the policy asks.

    What is asked is looked at anew each time; where it changed, those who agreed before are asked
    again. Refuses with ``NOT_ALLOWED``, ``NOT_IN_REVIEW``, ``SAME_PERSON`` (who agreed already),
    ``ACCOUNT_STOPPED`` while any order about the player holds, whichever it is, and
    ``NOT_VERIFIED`` of who lost their verification since. Returns the first part. Locks the player,
    the deposits, then the parts.
    """
    ensure(actor.kind is ActorKind.STAFF, "withdrawals are approved by staff", actor=str(actor))
    check_right(actor, DECIDE)
    with transaction.atomic():
        standing, parts = _in_review(request_id)
        if freezing.stops_payout(standing.player_id):
            raise Refused(WithdrawalCode.ACCOUNT_STOPPED)
        if not is_verified(standing):
            raise Refused(WithdrawalCode.NOT_VERIFIED)
        row = look_at(standing, parts)
        if records.agree(row, actor=actor) >= max(1, row.people):
            _let_go(parts, actor)
    return parts[0]


def is_verified(standing: StandingNow) -> bool:
    """Whether the player is as verified as the gate wants at a withdrawal's request."""
    needed = standing.policy(database_now()).verified_before_withdrawal
    return not needed or standing.is_verified


def reject(
    request_id: UUID, *, actor: Actor, reason: str, told: str = NotApproved.UNSAID.value
) -> Withdrawal:
    """A member of staff refuses a request; the held money is the player's again.

    ``reason`` is read by staff alone; the player is told what ``told`` means, a code of
    `NotApproved`. Refuses with ``NOT_ALLOWED``, ``NOT_IN_REVIEW``, or ``REASON_MISSING`` without
    either. Returns the first part. Locks as `approve`, then accounts.
    """
    ensure(actor.kind is ActorKind.STAFF, "withdrawals are rejected by staff", actor=str(actor))
    check_right(actor, DECIDE)
    if not reason.strip() or told not in set(NotApproved):
        raise Refused(WithdrawalCode.REASON_MISSING)
    with transaction.atomic():
        standing, parts = _in_review(request_id)
        records.refuse(look_at(standing, parts), actor=actor, reason=reason)
        for part in parts:
            request_parts.end(part, WithdrawalState.REJECTED, actor=actor, cause="review", why=told)
    return parts[0]


def approve_automatically(request_id: UUID) -> bool:
    """Let a request go that the policy, looked at anew, lets the house pay by itself.

    Anything that speaks against it (a freeze, a dispute, a missing verification since) leaves it to
    people, and that is kept. The word of the house is a row as a person's is.
    """
    with transaction.atomic():
        try:
            standing, parts = _in_review(request_id)
        except Refused:
            return False
        row = look_at(standing, parts)
        if row.people > 0:
            return False
        records.agree(row, actor=HOUSE, reason=row.policy.name)
        _let_go(parts, HOUSE)
    return True


_AUTOMATIC_SQL: Final = """
SELECT w.request_id FROM payments_withdrawal w
JOIN LATERAL (SELECT people FROM payments_assessment a WHERE a.request_id = w.request_id
    ORDER BY a.at DESC, a.id DESC LIMIT 1) found ON found.people = 0
WHERE w.state = 'risk_review' AND w.part = 1 ORDER BY w.created_at LIMIT %s
"""


def waiting_for_the_house() -> list[UUID]:
    """Requests that nobody has to look at, as was found last; the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_AUTOMATIC_SQL, [AUTOMATIC_MAX])
        return [row[0] for row in cursor.fetchall()]


def _let_go(parts: Sequence[Withdrawal], actor: Actor) -> None:
    """On to the provider; a part that cannot go where it was to go ends instead."""
    for part in parts:
        why = request_parts.fault(part)
        if why is not None:
            request_parts.end(
                part, WithdrawalState.REJECTED, actor=HOUSE, cause="approval", why=why.value
            )
            continue
        part.approved_by = str(actor)
        move_withdrawal(part, WithdrawalState.APPROVED, actor=actor, cause="approval")
        part.poll_at = part.changed_at
        part.save(update_fields=["poll_at"])


def _in_review(request_id: UUID) -> tuple[StandingNow, list[Withdrawal]]:
    """The parts that wait to be looked at, under the player's lock and theirs."""
    known = Withdrawal.objects.filter(request_id=request_id).order_by("part").first()
    if known is None:
        raise Refused(WithdrawalCode.NOT_IN_REVIEW, state="unknown")
    standing = lock_standing(PlayerId(known.player_id))
    every = request_parts.lock_request(request_id)
    parts = [part for part in every if part.state == WithdrawalState.RISK_REVIEW]
    if not parts:
        raise Refused(WithdrawalCode.NOT_IN_REVIEW, state=every[0].state)
    return standing, parts

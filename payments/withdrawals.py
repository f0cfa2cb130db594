"""Withdrawals: held at request, looked at by a person, paid by the provider.

There is no way for a player to cancel one (RTS 14B): this module has no such act, and no address
leads to one. Excluded players may withdraw. Of an account that was stopped since the request
nothing is approved and nothing submitted; what is approved waits and goes on by itself.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import facts, freezing, gate
from compliance.standing import lock_standing, lock_standings
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.invariant import ensure
from kernel.money import Money
from kernel.refusal import Refused
from payments import booking, providers
from payments.models import Withdrawal
from payments.providers.protocol import (
    NewPayout,
    PayoutReport,
    PayoutRoute,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.states import Meaning, WithdrawalState, judge_withdrawal
from payments.steps import begin, lock_withdrawal, move_withdrawal

KEY_CHARS_MAX: Final = 80
CONTRADICTED: Final = register("withdrawal.contradicted", "Provider contradicts our record")


class WithdrawalCode(StrEnum):
    """Why a withdrawal was not begun or not decided, besides the gate's reasons."""

    KEY_REUSED = "withdrawal_key_reused"
    BAD_KEY = "withdrawal_bad_key"
    NOT_ENOUGH = "not_enough"
    REFUSED = "withdrawal_refused"
    NOT_IN_REVIEW = "not_in_review"
    ACCOUNT_STOPPED = "withdrawal_account_stopped"
    REASON_MISSING = "withdrawal_reason_missing"


def request(*, player_id: PlayerId, amount: Money, key: str, actor: Actor) -> Withdrawal:
    """Hold ``amount`` for a withdrawal, once per ``key``; it then waits for review.

    The same key with the same amount returns the same withdrawal, another amount is refused with
    ``KEY_REUSED``. Refuses with a gate code, ``NOT_ENOUGH``, ``BAD_KEY`` or ``NO_STANDING``, and
    then holds nothing. Locks player, then accounts; opens its own transaction.
    """
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise Refused(WithdrawalCode.BAD_KEY, chars_max=KEY_CHARS_MAX)
    with transaction.atomic(durable=True):
        withdrawal, refusal = _begin(player_id, amount, key, actor)
    if refusal is not None:
        raise refusal
    return withdrawal


def _begin(
    player_id: PlayerId, amount: Money, key: str, actor: Actor
) -> tuple[Withdrawal, Refused | None]:
    lock_standing(player_id)
    known = Withdrawal.objects.filter(player_id=player_id, key=key).first()
    if known is not None:
        if known.amount != amount:
            raise Refused(WithdrawalCode.KEY_REUSED)
        return known, None
    provider = providers.default_name()
    withdrawal = Withdrawal(
        id=new_id(),
        player_id=player_id,
        provider=provider,
        key=key,
        amount_minor=amount.minor,
        currency=amount.currency,
    )
    question = gate.GateRequest(
        ref=withdrawal.pk,
        player_id=player_id,
        purpose=gate.Purpose.WITHDRAWAL,
        amount=amount,
        scopes=(f"provider:{provider}",),
    )
    [answer] = gate.decide([question], now=database_now())
    if answer.permit is None:
        return withdrawal, Refused(answer.code or WithdrawalCode.REFUSED, **answer.data)
    try:
        booking.hold(withdrawal, answer.permit, actor)
    except Refused as refusal:
        if not booking.is_below_floor(refusal):
            raise
        return withdrawal, Refused(WithdrawalCode.NOT_ENOUGH, currency=amount.currency)
    begin(withdrawal, "withdrawal", actor=actor)
    move_withdrawal(
        withdrawal,
        WithdrawalState.RISK_REVIEW,
        actor=Actor.system("payments"),
        cause="every withdrawal is looked at",
    )
    return withdrawal, None


def approve(withdrawal_id: UUID, *, actor: Actor) -> Withdrawal:
    """A member of staff lets a reviewed withdrawal go; it is submitted by the next sweep or task.

    Refuses with ``NOT_IN_REVIEW``, and with ``ACCOUNT_STOPPED`` while any order about the player
    holds, whichever it is. Locks the payment. Who may call it is the page's question; that
    it is staff at all is checked here.
    """
    ensure(actor.kind is ActorKind.STAFF, "withdrawals are approved by staff", actor=str(actor))
    with transaction.atomic():
        withdrawal = _in_review(withdrawal_id)
        if freezing.stops_payout(PlayerId(withdrawal.player_id)):
            raise Refused(WithdrawalCode.ACCOUNT_STOPPED)
        withdrawal.approved_by = str(actor)
        move_withdrawal(withdrawal, WithdrawalState.APPROVED, actor=actor, cause="approval")
        withdrawal.poll_at = withdrawal.changed_at
        withdrawal.save(update_fields=["poll_at"])
    return withdrawal


def reject(withdrawal_id: UUID, *, actor: Actor, reason: str) -> Withdrawal:
    """A member of staff refuses a reviewed withdrawal; the held money is the player's again.

    Refuses with ``NOT_IN_REVIEW`` or ``REASON_MISSING``. Locks the payment, then accounts.
    """
    ensure(actor.kind is ActorKind.STAFF, "withdrawals are rejected by staff", actor=str(actor))
    if not reason.strip():
        raise Refused(WithdrawalCode.REASON_MISSING)
    with transaction.atomic():
        withdrawal = _in_review(withdrawal_id)
        booking.release(withdrawal, actor)
        move_withdrawal(
            withdrawal, WithdrawalState.REJECTED, actor=actor, cause="review", reason=reason
        )
    return withdrawal


def _in_review(withdrawal_id: UUID) -> Withdrawal:
    withdrawal = lock_withdrawal(withdrawal_id)
    if withdrawal.state != WithdrawalState.RISK_REVIEW:
        raise Refused(WithdrawalCode.NOT_IN_REVIEW, state=withdrawal.state)
    return withdrawal


def ask_provider(withdrawal_id: UUID) -> None:
    """Submit the payout, or look at it: whichever is due. Outside any transaction; repeatable.

    Nothing is submitted while an order about the player holds that was committed before this look;
    the next sweeps look again.
    """
    with transaction.atomic():
        withdrawal = lock_withdrawal(withdrawal_id)
        if not withdrawal.provider_ref and freezing.stops_payout(PlayerId(withdrawal.player_id)):
            return
    house = providers.provider(withdrawal.provider)
    actor = Actor(ActorKind.PROVIDER, withdrawal.provider)
    try:
        if withdrawal.provider_ref:
            report = house.find_payout(withdrawal.provider_ref)
        else:
            report = house.create_payout(
                NewPayout(
                    key=f"{withdrawal.pk}:payout:1",
                    payment_id=withdrawal.pk,
                    amount=withdrawal.amount,
                    route=PayoutRoute.ACCOUNT,
                    target="",
                )
            )
    except ProviderUnreachable as error:
        _note_silence(withdrawal_id, actor, str(error))
    except ProviderRejected as error:
        _note_rejection(withdrawal_id, actor, error.code)
    else:
        apply(report, cause="asked", actor=actor, confirmed=True)


def _note_silence(withdrawal_id: UUID, actor: Actor, why: str) -> None:
    with transaction.atomic():
        withdrawal = lock_withdrawal(withdrawal_id)
        if withdrawal.state == WithdrawalState.APPROVED:
            move_withdrawal(
                withdrawal, WithdrawalState.UNKNOWN, actor=actor, cause="no answer", reason=why
            )


def _note_rejection(withdrawal_id: UUID, actor: Actor, code: str) -> None:
    """The provider will not pay this: the hold ends."""
    with transaction.atomic():
        withdrawal = lock_withdrawal(withdrawal_id)
        waiting = {WithdrawalState.APPROVED, WithdrawalState.UNKNOWN}
        if withdrawal.provider_ref is None and withdrawal.state in waiting:
            booking.release(withdrawal, actor)
            move_withdrawal(
                withdrawal, WithdrawalState.FAILED, actor=actor, cause="rejected", reason=code
            )


def apply(report: PayoutReport, *, cause: str, actor: Actor, confirmed: bool) -> Meaning:
    """Apply what a provider reports about a payout; repeating and reordering is harmless.

    One transaction: payment lock → transition table → ledger → facts → history. Another amount
    than ours is a conflict: nothing moves and the contradiction is recorded once confirmed. Money
    that the bank returned lessens what was withdrawn, so the player is locked before the payment.
    """
    with transaction.atomic(durable=True):
        if report.state in {WithdrawalState.RETURNED, WithdrawalState.FAILED}:
            _lock_player_of(report.payment_id)
        withdrawal = lock_withdrawal(report.payment_id)
        if (withdrawal.state, report.state) == (WithdrawalState.PAID, WithdrawalState.FAILED):
            # a provider may call both "failed"; after it was paid, the money came back
            report = replace(report, state=WithdrawalState.RETURNED)
        meaning = judge_withdrawal(WithdrawalState(withdrawal.state), report.state)
        foreign = withdrawal.provider_ref not in {None, report.provider_ref}
        if foreign or report.amount != withdrawal.amount:
            meaning = Meaning.CONFLICT
        if meaning is Meaning.STEP:
            withdrawal.provider_ref = report.provider_ref
            _book(withdrawal, report.state, actor)
            move_withdrawal(
                withdrawal, report.state, actor=actor, cause=cause, reason=report.reason
            )
        elif meaning is Meaning.CONFLICT and confirmed:
            record(
                CONTRADICTED,
                actor=actor,
                subject=Subject("withdrawal", str(withdrawal.pk)),
                component="payments",
                before={"state": withdrawal.state},
                after={
                    "reported": report.state.value,
                    "provider_ref": report.provider_ref,
                    "amount_minor": report.amount.minor,
                    "currency": report.amount.currency,
                },
            )
    return meaning


def _lock_player_of(withdrawal_id: UUID) -> None:
    """Whose deposit is being decided on now is not told of less allowance until that is done."""
    of_it = Withdrawal.objects.filter(pk=withdrawal_id).values_list("player_id", flat=True)
    lock_standings([PlayerId(player_id) for player_id in of_it])


def _tell(withdrawal: Withdrawal, kind: facts.FactKind) -> None:
    player_id = PlayerId(withdrawal.player_id)
    facts.record([facts.Fact(player_id, kind, withdrawal.amount, database_now())])


def _book(withdrawal: Withdrawal, state: WithdrawalState, actor: Actor) -> None:
    if state is WithdrawalState.PAID:
        booking.pay_out(withdrawal, actor)
        _tell(withdrawal, facts.FactKind.WITHDRAWN)
    elif state is WithdrawalState.FAILED:
        booking.release(withdrawal, actor)
    elif state is WithdrawalState.RETURNED:
        booking.take_back(withdrawal, actor)
        _tell(withdrawal, facts.FactKind.CAME_BACK)

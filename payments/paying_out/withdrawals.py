"""Withdrawals: planned and held at request, looked at, paid by the provider, part by part.

There is no way for a player to cancel one (RTS 14B): this module has no such act, and no address
leads to one. Excluded players may withdraw. Of an account that was stopped since the request, or is
not verified any more, nothing is approved and nothing submitted; what is approved waits and goes on
by itself.

A request is named by the id of its first part. Who agrees to it is in `paying_out.reviews`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.database_clock import database_now
from compliance import facts, freezing, gate
from compliance.standing import StandingNow, lock_standing, lock_standings, read_standing
from kernel.ids import Actor, ActorKind, PermitId, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from payments import booking, contradictions, providers
from payments.fraud import decide as fraud
from payments.models import Withdrawal
from payments.paying_out import parts as request_parts
from payments.paying_out import payout_plan
from payments.paying_out.closed_loop import Stuck
from payments.paying_out.payout_plan import PlannedPart
from payments.paying_out.reviews import approve, is_verified, look_at, reject
from payments.paying_out.withdrawal_codes import WithdrawalCode
from payments.providers.protocol import (
    NewPayout,
    PayoutReport,
    PayoutRoute,
    ProviderRejected,
    ProviderUnreachable,
    about,
)
from payments.states import LOOK_LATEST, Meaning, WithdrawalState, judge_withdrawal
from payments.steps import begin, move_withdrawal

__all__ = ["WithdrawalCode", "apply", "approve", "ask_provider", "reject", "request"]

KEY_CHARS_MAX: Final = 80
#: After so many looks the next one is as far off as it gets.
_HELD_POLLS: Final = 10
#: What goes to a provider that has not named it yet.
_TO_BE_ASKED_FOR: Final = frozenset({WithdrawalState.APPROVED, WithdrawalState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a player asks for. ``account`` is the one they chose for what cannot go back."""

    player_id: PlayerId
    amount: Money
    key: str
    account: UUID | None
    actor: Actor


def request(
    *, player_id: PlayerId, amount: Money, key: str, actor: Actor, account: UUID | None = None
) -> Withdrawal:
    """Plan and hold ``amount`` for a withdrawal, once per ``key``; it then waits for review.

    Returns the first of its parts, whose id names the request. The same key with the same amount
    and account returns the same request, another of either is refused with ``KEY_REUSED``. Refuses
    with a gate code, ``NOT_ENOUGH``, ``BAD_KEY``, ``UNKNOWN_ACCOUNT``, ``NO_STANDING``,
    ``DEPOSIT_CHANGED``, or a `LoopCode` that says what is missing, and then holds nothing. All
    parts begin together or none. Locks player, deposits, then accounts; opens its own transaction.
    """
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise Refused(WithdrawalCode.BAD_KEY, chars_max=KEY_CHARS_MAX)
    with transaction.atomic(durable=True):
        answer = _begin(_Wanted(player_id, amount, key, account, actor))
    if isinstance(answer, Refused):
        raise answer
    return answer


def _begin(wanted: _Wanted) -> Withdrawal | Refused:
    """The first part of this key's request, made now if need be.

    What the gate refuses is returned, so that its record is kept; anything else is raised.
    """
    standing = lock_standing(wanted.player_id)
    known = _known(wanted)
    if known is not None:
        return known
    planned = _plan(standing, wanted)
    if isinstance(planned, Refused):
        return _gate_says(wanted, planned)
    parts = _rows(wanted, planned)
    answers = gate.decide([_question(part) for part in parts], now=database_now())
    refused = next((answer for answer in answers if answer.permit is None), None)
    if refused is not None:
        return Refused(refused.code or WithdrawalCode.REFUSED, **refused.data)
    _check_sources(parts)
    permits = [answer.permit for answer in answers if answer.permit is not None]
    _hold(parts, permits, wanted.actor)
    _write(standing, parts, wanted.actor)
    return parts[0]


def _known(wanted: _Wanted) -> Withdrawal | None:
    parts = list(
        Withdrawal.objects.filter(player_id=wanted.player_id, key=wanted.key).order_by("part")
    )
    if not parts:
        return None
    asked = Money(sum(part.amount_minor for part in parts), parts[0].currency)
    if (asked, parts[0].asked_account) != (wanted.amount, wanted.account):
        raise Refused(WithdrawalCode.KEY_REUSED)
    return parts[0]


def _plan(standing: StandingNow, wanted: _Wanted) -> Sequence[PlannedPart] | Refused:
    """The parts, or why there are none: too little money is said before a missing account."""
    amount, now = wanted.amount, database_now()
    if amount.minor <= 0 or amount.currency != standing.currency:
        return Refused(WithdrawalCode.REFUSED)  # the gate says which
    own = {one.pk for one in payout_plan.payable(wanted.player_id, now)}
    if wanted.account is not None and wanted.account not in own:
        return Refused(WithdrawalCode.UNKNOWN_ACCOUNT)
    planned = payout_plan.plan_for(standing, amount, now, wanted.account)
    if not isinstance(planned, Stuck):
        return planned
    cash = accounts.balance(accounts.player_cash(wanted.player_id, amount.currency))
    if cash.available_minor < amount.minor:
        return Refused(WithdrawalCode.NOT_ENOUGH, currency=amount.currency)
    return Refused(planned.code, minor=planned.minor, currency=amount.currency)


def _gate_says(wanted: _Wanted, otherwise: Refused) -> Refused:
    """What the gate has against it, which weighs more than where the money would go."""
    question = gate.GateRequest(new_id(), wanted.player_id, gate.Purpose.WITHDRAWAL, wanted.amount)
    [answer] = gate.decide([question], now=database_now())
    if answer.allowed:
        raise otherwise
    return Refused(answer.code or WithdrawalCode.REFUSED, **answer.data)


def _rows(wanted: _Wanted, planned: Sequence[PlannedPart]) -> list[Withdrawal]:
    ids = [new_id() for _ in planned]
    return [
        Withdrawal(
            id=ids[n],
            request_id=ids[0],
            part=n + 1,
            player_id=wanted.player_id,
            provider=one.provider,
            key=wanted.key,
            amount_minor=one.amount.minor,
            currency=one.amount.currency,
            route=one.route.value,
            source_deposit=one.deposit,
            instrument=one.instrument,
            asked_account=wanted.account,
        )
        for n, one in enumerate(planned)
    ]


def _question(part: Withdrawal) -> gate.GateRequest:
    return gate.GateRequest(
        ref=part.pk,
        player_id=PlayerId(part.player_id),
        purpose=gate.Purpose.WITHDRAWAL,
        amount=part.amount,
        scopes=(f"provider:{part.provider}",),
    )


def _check_sources(parts: Sequence[Withdrawal]) -> None:
    """A provider's word about a deposit needs no player's lock: look again under the deposits'."""
    planned = {part.source_deposit.pk: part for part in parts if part.source_deposit is not None}
    sources = request_parts.lock_sources(list(planned))
    going = payout_plan.under_way(list(planned))
    for pk, part in planned.items():
        part.source_deposit = now = sources[pk]
        gone_minor = now.refunded_minor + going.get(pk, 0)
        if now.state not in payout_plan.REFUNDABLE or (
            gone_minor + part.amount_minor > now.amount_minor
        ):
            raise Refused(WithdrawalCode.DEPOSIT_CHANGED)


def _hold(parts: Sequence[Withdrawal], permits: Sequence[PermitId], actor: Actor) -> None:
    try:
        booking.hold(parts, permits, actor)
    except Refused as refusal:
        if not booking.is_below_floor(refusal):
            raise
        raise Refused(WithdrawalCode.NOT_ENOUGH, currency=parts[0].currency) from None


def _write(standing: StandingNow, parts: Sequence[Withdrawal], actor: Actor) -> None:
    for part in parts:
        begin(part, "withdrawal", actor=actor)
    whole = Money(sum(part.amount_minor for part in parts), parts[0].currency)
    risk = fraud.decide(
        fraud.Question(parts[0].pk, standing.player_id, fraud.Purpose.WITHDRAWAL, whole)
    )
    found = look_at(standing, parts, risk)
    cause = "every withdrawal is looked at" if found.people else "the policy looks at it"
    for part in parts:
        move_withdrawal(
            part, WithdrawalState.RISK_REVIEW, actor=Actor.system("payments"), cause=cause
        )


def ask_provider(withdrawal_id: UUID) -> None:
    """Submit a part, or look at it: whichever is due. Outside any transaction; repeatable.

    Nothing is submitted while an order about the player holds that was committed before this look,
    or while they are not verified any more; the next sweeps look again. A part whose deposit or
    account is gone before it was asked for ends: nothing was paid. That it is asked for is kept
    first, so that a process that dies on the way leaves one that may be paid. One that ended since
    this look was due is asked for no more: its money is the player's again.
    """
    with transaction.atomic():
        part = request_parts.lock_part(withdrawal_id)
        if not part.provider_ref:
            if part.state not in _TO_BE_ASKED_FOR:
                return
            player_id = PlayerId(part.player_id)
            standing = read_standing(player_id)
            if standing is None or not is_verified(standing) or freezing.stops_payout(player_id):
                _wait(part)
                return
            if part.asked_at is None:
                if part.state == WithdrawalState.APPROVED and _ended(part):
                    return
                part.asked_at = database_now()
                part.save(update_fields=["asked_at"])
    house = providers.provider(part.provider)
    actor = Actor(ActorKind.PROVIDER, part.provider)
    try:
        if part.provider_ref:
            said = house.find_payout(part.provider_ref)
        else:
            said = house.create_payout(_payout(part))
        report = about(withdrawal_id, said)
    except ProviderUnreachable as error:
        _note_silence(withdrawal_id, actor, str(error))
    except ProviderRejected as error:
        _note_rejection(withdrawal_id, actor, error.code)
    else:
        apply(report, cause="asked", actor=actor, confirmed=True)


def _wait(part: Withdrawal) -> None:
    """An order may hold for months, and looks do not come to their end meanwhile."""
    part.polls = min(part.polls, _HELD_POLLS)
    part.poll_at = part.poll_at or database_now() + LOOK_LATEST
    part.save(update_fields=["polls", "poll_at"])


def _ended(part: Withdrawal) -> bool:
    why = request_parts.fault(part)
    if why is None:
        return False
    house = Actor.system("payments")
    request_parts.end(part, WithdrawalState.FAILED, actor=house, cause="submission", why=why.value)
    return True


def _payout(part: Withdrawal) -> NewPayout:
    if part.route == PayoutRoute.REFUND:
        target = "" if part.source_deposit is None else part.source_deposit.provider_ref or ""
    else:
        target = "" if part.instrument is None else part.instrument.token
    return NewPayout(
        key=f"{part.pk}:payout:1",
        payment_id=part.pk,
        amount=part.amount,
        route=PayoutRoute(part.route or PayoutRoute.ACCOUNT),
        target=target,
        asked_at=part.created_at,
    )


def _note_silence(withdrawal_id: UUID, actor: Actor, why: str) -> None:
    with transaction.atomic():
        withdrawal = request_parts.lock_part(withdrawal_id)
        if withdrawal.state == WithdrawalState.APPROVED:
            move_withdrawal(
                withdrawal, WithdrawalState.UNKNOWN, actor=actor, cause="no answer", reason=why
            )


def _note_rejection(withdrawal_id: UUID, actor: Actor, code: str) -> None:
    """The provider will not pay this: the hold ends."""
    with transaction.atomic():
        part = request_parts.lock_part(withdrawal_id)
        if part.provider_ref is None and part.state in _TO_BE_ASKED_FOR:
            request_parts.end(part, WithdrawalState.FAILED, actor=actor, cause="rejected", why=code)


def apply(report: PayoutReport, *, cause: str, actor: Actor, confirmed: bool) -> Meaning:
    """Apply what a provider reports about a payout; repeating and reordering is harmless.

    One transaction: locks of deposit and part → transition table → ledger → what went back of the
    deposit → facts → history. Another amount than ours is a conflict: nothing moves and the
    contradiction is recorded once confirmed, and told to people. Money that the bank returned
    lessens what was withdrawn, so the player is locked before the payment.
    """
    with transaction.atomic(durable=True):
        if report.state in {WithdrawalState.RETURNED, WithdrawalState.FAILED}:
            _lock_player_of(report.payment_id)
        withdrawal = request_parts.lock_part(report.payment_id)
        if (withdrawal.state, report.state) == (WithdrawalState.PAID, WithdrawalState.FAILED):
            # a provider may call both "failed"; after it was paid, the money came back
            report = replace(report, state=WithdrawalState.RETURNED)
        meaning = judge_withdrawal(WithdrawalState(withdrawal.state), report.state)
        foreign = withdrawal.provider_ref not in {None, report.provider_ref}
        if foreign or report.amount != withdrawal.amount:
            meaning = Meaning.CONFLICT
        if meaning is Meaning.STEP:
            withdrawal.provider_ref = report.provider_ref
            steps = _steps(WithdrawalState(withdrawal.state), report.state)
            for state in steps:
                _book(withdrawal, state, actor)
            for state in steps:
                move_withdrawal(withdrawal, state, actor=actor, cause=cause, reason=report.reason)
        elif meaning is Meaning.CONFLICT and confirmed:
            contradictions.note(withdrawal, report, actor=actor)
    return meaning


def _steps(present: WithdrawalState, reported: WithdrawalState) -> list[WithdrawalState]:
    """What came back was paid before, also where we hear of both at once."""
    is_paid = reported is not WithdrawalState.RETURNED or present is WithdrawalState.PAID
    return [reported] if is_paid else [WithdrawalState.PAID, reported]


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
        request_parts.note_refund(withdrawal)
        _tell(withdrawal, facts.FactKind.WITHDRAWN)
    elif state is WithdrawalState.FAILED:
        booking.release(withdrawal, actor)
    elif state is WithdrawalState.RETURNED:
        booking.take_back(withdrawal, actor)
        request_parts.note_refund(withdrawal, back=True)
        _tell(withdrawal, facts.FactKind.CAME_BACK)

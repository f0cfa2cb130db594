"""Deposits: asked for through the gate, paid on the provider's page, credited once or given back.

The row is committed before the provider is called, and the call happens outside any transaction.
What the provider says later, by webhook or when asked, goes through `apply`, whoever brings it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import get_language

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import facts, gate, limits
from compliance.standing import lock_standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from payments import booking, contradictions, overdue, providers
from payments.fraud import decide as fraud
from payments.fraud import review
from payments.fraud.words import Decision, Outcome
from payments.models import Deposit
from payments.paying_in import going_back, instruments, pacing, refunds
from payments.paying_in.refusals import DepositCode
from payments.providers.protocol import (
    DepositReport,
    NewDeposit,
    Provider,
    ProviderRejected,
    ProviderUnreachable,
    about,
)
from payments.states import CAPTURED, FIRST_POLL, OF_DISPUTES, DepositState, Meaning, judge_deposit
from payments.steps import begin, lock_deposit, move_deposit
from payments.words import telling

KEY_CHARS_MAX: Final = 80
#: Far above any card's limit: a slip of the finger, not a deposit.
AMOUNT_MINOR_MAX: Final = 100_000_000

#: What goes to a provider that has not named it yet.
_TO_BE_MADE: Final = frozenset({DepositState.CREATED, DepositState.UNKNOWN})

PARTLY_REFUNDED: Final = register("deposit.partly_refunded", "Part of a deposit went back")


class _Unchanged(Exception):
    """Rolls back a transaction in which a report turned out to change nothing.

    ``is_early``: it may fit later, once we hear what else happened.
    """

    def __init__(self, meaning: Meaning, *, is_early: bool = False) -> None:
        super().__init__(meaning)
        self.meaning, self.is_early = meaning, is_early


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a player asks for: with ``saved`` (their own, of before) or with something new."""

    player_id: PlayerId
    amount: Money
    key: str
    saved: UUID | None
    return_base: str
    provider: str
    actor: Actor


def start(
    *,
    player_id: PlayerId,
    amount: Money,
    key: str,
    actor: Actor,
    return_base: str = "",
    instrument: UUID | None = None,
) -> Deposit:
    """Begin a deposit of ``amount``, once per ``key``; the player goes on to ``redirect_url``.

    ``instrument`` is a saved one of the player's own (`paying_in.instruments`); without one they
    enter theirs on the provider's page. The same key with the same amount and instrument returns
    the same deposit; others are refused with ``KEY_REUSED``. Refuses with a gate code (data of the
    gate), ``NO_STANDING``, ``LIMITS_NOT_ASKED`` (the profile wants the player's answer about limits
    first), ``TOO_MANY_OPEN``, ``TOO_MANY_FAILURES``, ``TOO_LARGE``, ``BAD_KEY``,
    ``UNKNOWN_INSTRUMENT``, ``NOT_ACCEPTED`` (by the rules against fraud) or a provider code; then
    nothing was charged.
    When the provider does not answer, the deposit is `unknown` and polled, never failed.
    ``return_base`` plus the deposit's id is where the provider sends the player back to. Locks the
    player; opens its own transaction and must not be called in one.
    """
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise Refused(DepositCode.BAD_KEY, chars_max=KEY_CHARS_MAX)
    if amount.minor > AMOUNT_MINOR_MAX:
        raise Refused(DepositCode.TOO_LARGE, minor_max=AMOUNT_MINOR_MAX, currency=amount.currency)
    name = providers.default_name()
    providers.provider(name)
    wanted = _Wanted(player_id, amount, key, instrument, return_base, name, actor)
    with transaction.atomic(durable=True):
        deposit, refusal = _begin(wanted)
    if refusal is not None:
        raise refusal
    if deposit.state == DepositState.CREATED:
        ask_provider(deposit.pk, language=get_language() or "")
        deposit.refresh_from_db()
    return deposit


def _begin(wanted: _Wanted) -> tuple[Deposit, Refused | None]:
    """The deposit of this key, made now if need be; a refusal is returned so that it is kept."""
    player_id = wanted.player_id
    lock_standing(player_id)
    known = Deposit.objects.filter(player_id=player_id, key=wanted.key).first()
    if known is not None:
        if known.amount != wanted.amount or known.asked_with != wanted.saved:
            raise Refused(DepositCode.KEY_REUSED)
        return known, None
    now = database_now()
    if limits.must_answer(player_id, now):
        raise Refused(DepositCode.LIMITS_NOT_ASKED)
    pacing.refuse_too_many(player_id, now)
    deposit = _row(wanted)
    [answer] = gate.decide([_question(deposit)], now=now)
    if not answer.allowed:
        return deposit, Refused(answer.code or DepositCode.REFUSED, **answer.data)
    if _by_the_rules(deposit, fraud.Moment.ASKED).outcome is Outcome.BLOCK:
        limits.release(deposit.pk)
        return deposit, Refused(DepositCode.NOT_ACCEPTED)
    begin(deposit, "deposit", actor=wanted.actor)
    return deposit, None


def _row(wanted: _Wanted) -> Deposit:
    deposit_id, saved = new_id(), None
    if wanted.saved is not None:
        saved = instruments.find(wanted.player_id, wanted.saved, wanted.provider)
    return Deposit(
        id=deposit_id,
        player_id=wanted.player_id,
        provider=wanted.provider,
        key=wanted.key,
        amount_minor=wanted.amount.minor,
        currency=wanted.amount.currency,
        instrument=saved,
        asked_with=wanted.saved,
        return_url=f"{wanted.return_base}{deposit_id}/" if wanted.return_base else "",
    )


def _question(deposit: Deposit) -> gate.GateRequest:
    return gate.GateRequest(
        ref=deposit.pk,
        player_id=PlayerId(deposit.player_id),
        purpose=gate.Purpose.DEPOSIT,
        amount=deposit.amount,
        scopes=(f"provider:{deposit.provider}",),
    )


def _by_the_rules(deposit: Deposit, moment: fraud.Moment) -> Decision:
    """What the rules against fraud say of it at this moment."""
    paid_with = deposit.instrument
    return fraud.decide(
        fraud.Question(
            ref=deposit.pk,
            player_id=PlayerId(deposit.player_id),
            purpose=fraud.Purpose.DEPOSIT,
            amount=deposit.amount,
            moment=moment,
            fingerprint="" if paid_with is None else paid_with.fingerprint,
            issuer="" if paid_with is None else paid_with.country,
        )
    )


def ask_provider(deposit_id: UUID, *, language: str = "") -> None:
    """Make the payment at the provider, or look at it: whichever is due. Outside any transaction.

    ``language`` is that of the page from which it was asked for, where its player waits for this.
    Safe to repeat at any time: the key is the same, and what comes back goes through `apply`. One
    that ended since this look was due is not made any more: a saved card would be charged for it.
    """
    attempt = going_back.begin(deposit_id)
    deposit = Deposit.objects.select_related("instrument").get(pk=deposit_id)
    if attempt is None and deposit.provider_ref is None and deposit.state not in _TO_BE_MADE:
        return
    house = providers.provider(deposit.provider)
    actor = Actor(ActorKind.PROVIDER, deposit.provider)
    try:
        if attempt is not None:
            said = house.refund(attempt.key, deposit.provider_ref or "", attempt.amount)
        elif deposit.provider_ref:
            said = house.find_deposit(deposit.provider_ref)
        else:
            said = house.create_deposit(_order(deposit, language))
        report = about(deposit_id, said)
    except ProviderUnreachable as error:
        _note_silence(deposit_id, actor, str(error))
    except ProviderRejected as error:
        _note_rejection(deposit_id, actor, error.code)
        if attempt is not None:
            going_back.end(attempt, why=error.code, actor=actor)
            _look_after_refusal(house, deposit, actor)
    else:
        meaning = apply(report, cause="asked", actor=actor, confirmed=True)
        if attempt is not None and report.refund_failed:
            going_back.end(attempt, why=report.reason or "failed", actor=actor)
        elif attempt is not None and meaning is Meaning.STEP:
            going_back.end(attempt, why=None, actor=actor)


def _look_after_refusal(house: Provider, deposit: Deposit, actor: Actor) -> None:
    """Perhaps some of it went back at the provider's own desk, and the message is lost."""
    try:
        report = about(deposit.pk, house.find_deposit(deposit.provider_ref or ""))
    except (ProviderUnreachable, ProviderRejected):
        return  # the next attempt comes to the same
    apply(report, cause="asked", actor=actor, confirmed=True)


def _order(deposit: Deposit, language: str) -> NewDeposit:
    return NewDeposit(
        key=f"{deposit.pk}:create:1",
        payment_id=deposit.pk,
        amount=deposit.amount,
        return_url=deposit.return_url,
        instrument="" if deposit.instrument is None else deposit.instrument.token,
        challenge=fraud.before(deposit.pk).outcome is Outcome.CHALLENGE,
        customer=instruments.payer(PlayerId(deposit.player_id)),
        asked_at=deposit.created_at,
        language=language,
    )


def _note_silence(deposit_id: UUID, actor: Actor, why: str) -> None:
    """No answer: a deposit that was only ours is now unknown; any other stays what it is."""
    with transaction.atomic():
        deposit = lock_deposit(deposit_id)
        if deposit.state == DepositState.CREATED:
            move_deposit(deposit, DepositState.UNKNOWN, actor=actor, cause="no answer", reason=why)


def _note_rejection(deposit_id: UUID, actor: Actor, code: str) -> None:
    """The provider will not make this payment: it failed, and its reservation ends."""
    with transaction.atomic():
        deposit = lock_deposit(deposit_id)
        if deposit.provider_ref is None and deposit.state in _TO_BE_MADE:
            limits.release(deposit.pk)
            move_deposit(deposit, DepositState.FAILED, actor=actor, cause="rejected", reason=code)


def apply(report: DepositReport, *, cause: str, actor: Actor, confirmed: bool) -> Meaning:
    """Apply what a provider reports; repeating, reordering and losing reports is harmless.

    ``confirmed``: the provider said so when asked, so a listed reversal may happen. One
    transaction: gate (again, under the player's lock) → payment lock → transition table → ledger →
    facts → history. A report of money that the gate no longer permits, or of another amount, never
    reaches the player's balance: it is set aside and refunded. Returns what the report meant.
    """
    try:
        with transaction.atomic(durable=True):
            return _apply(report, cause, actor, confirmed=confirmed)
    except _Unchanged as unchanged:
        if confirmed and unchanged.meaning in {Meaning.CONFLICT, Meaning.REVERSAL}:
            _note_contradiction(report, actor, is_early=unchanged.is_early)
        return unchanged.meaning


def _apply(report: DepositReport, cause: str, actor: Actor, *, confirmed: bool) -> Meaning:
    before = Deposit.objects.get(pk=report.payment_id)
    arriving = report.state is DepositState.SUCCEEDED
    meaning = _meaning(before, report)
    decision = None
    if arriving and _acts(meaning, confirmed=confirmed):
        [decision] = gate.decide([_question(before)], now=database_now())
    deposit = lock_deposit(before.pk)
    meaning = _meaning(deposit, report)
    acts = _acts(meaning, confirmed=confirmed)
    is_new_to_us = meaning is Meaning.CONFLICT or (meaning is Meaning.REVERSAL and not acts)
    if is_new_to_us or (decision is not None) != (arriving and acts):
        raise _Unchanged(meaning)
    _learn(deposit, report)
    if acts:
        deposit.provider_ref = report.provider_ref
        deposit.redirect_url = report.redirect_url or deposit.redirect_url
    if decision is not None:
        state, reason = _receive(deposit, report.amount, decision, actor)
    elif report.state is DepositState.REFUNDED and acts and deposit.state not in CAPTURED:
        _came_and_went(deposit, report, (actor, cause))
        state, reason = report.state, report.reason
    elif acts and report.state is not DepositState.REFUNDED:
        if report.state in {DepositState.FAILED, DepositState.CANCELED, DepositState.EXPIRED}:
            limits.release(deposit.pk)
        state, reason = report.state, report.reason
    else:
        if confirmed and refunds.fell_back(report, deposit):
            raise _Unchanged(Meaning.CONFLICT)
        return _stay(deposit, report, meaning, (actor, cause))
    move_deposit(deposit, state, actor=actor, cause=cause, reason=reason)
    if decision is not None:
        _refund(deposit, report, (actor, cause))
    return meaning


def _came_and_went(deposit: Deposit, report: DepositReport, by: tuple[Actor, str]) -> None:
    """What was never the player's has gone back; where we hear of both at once, both are booked."""
    actor, cause = by
    if deposit.state != DepositState.REFUND_DUE:
        deposit.arrived_minor = report.amount.minor
        deposit.arrived_currency = report.amount.currency
        booking.set_aside(deposit, report.amount, actor)
        limits.release(deposit.pk)
        move_deposit(
            deposit, DepositState.REFUND_DUE, actor=actor, cause=cause, reason="refunded_before"
        )
    booking.give_back(deposit, refunds.left(deposit), actor)
    deposit.refunded_minor = refunds.arrived(deposit).minor


def _stay(
    deposit: Deposit, report: DepositReport, meaning: Meaning, by: tuple[Actor, str]
) -> Meaning:
    """No step of its own: what the report adds is kept, and what went back is booked."""
    if _refund(deposit, report, by):
        return Meaning.STEP
    if deposit.poll_at and deposit.state in CAPTURED and not review.is_to_return(deposit.pk):
        deposit.poll_at = None  # what did not fit before does now
    deposit.save()
    return Meaning.SAME if meaning is Meaning.STEP else meaning


def _refund(deposit: Deposit, report: DepositReport, by: tuple[Actor, str]) -> bool:
    """Book what the report says went back and is not booked; whether there was any.

    The deposit is refunded only when all of it went back; a part is kept and told.
    """
    actor, cause = by
    try:
        minor = refunds.unbooked(report, deposit)
    except refunds.DoesNotFit:
        raise _Unchanged(Meaning.CONFLICT, is_early=True) from None
    if not minor:
        return False
    refunds.book(deposit, minor, actor)
    if refunds.is_whole(deposit):
        move_deposit(deposit, DepositState.REFUNDED, actor=actor, cause=cause, reason=report.reason)
        return True
    if not refunds.left(deposit).minor:  # the rest went out by withdrawals: nothing is awaited
        deposit.expected_by = deposit.poll_at = None
    deposit.save()
    if deposit.state != DepositState.REFUND_DUE:
        telling.went_back(deposit, minor)
    record(
        PARTLY_REFUNDED,
        actor=actor,
        subject=Subject("deposit", str(deposit.pk)),
        component="payments",
        after={
            "player_id": deposit.player_id,
            "refunded_minor": deposit.refunded_minor,
            "currency": refunds.arrived(deposit).currency,
        },
        reason=report.reason,
    )
    return True


def _learn(deposit: Deposit, report: DepositReport) -> None:
    """With what it was paid, what it cost and where its page is, as soon as the provider says so.

    A message that it was begun may come before the answer that tells its page.
    """
    if (deposit.provider_ref, deposit.state) == (report.provider_ref, report.state):
        deposit.redirect_url = report.redirect_url or deposit.redirect_url
    told = report.instrument
    if told is not None and (deposit.instrument is None or deposit.instrument.token != told.token):
        is_new = deposit.asked_with is None
        deposit.instrument = instruments.keep(
            PlayerId(deposit.player_id), deposit.provider, told, again=is_new
        )
    if report.fee and not deposit.fee_minor:  # none yet is told as nothing at first
        deposit.fee_minor, deposit.fee_currency = report.fee.minor, report.fee.currency


def _receive(
    deposit: Deposit, arrived: Money, decision: gate.Decision, actor: Actor
) -> tuple[DepositState, str]:
    """Book money that has come: to the player with the gate's permit, or aside."""
    deposit.arrived_minor, deposit.arrived_currency = arrived.minor, arrived.currency
    is_blocked = pacing.is_paid_while_blocked(deposit)
    if decision.permit is not None and arrived == deposit.amount and not is_blocked:
        booking.credit(deposit, decision.permit, actor)
        facts.record(
            [
                facts.Fact(
                    PlayerId(deposit.player_id),
                    facts.FactKind.DEPOSITED,
                    deposit.amount,
                    database_now(),
                )
            ]
        )
        _hold_for_review(deposit, actor)
        state, reason = DepositState.SUCCEEDED, ""
    else:
        booking.set_aside(deposit, arrived, actor)
        ours = DepositCode.TOO_MANY_FAILURES.value if is_blocked else "another_amount"
        reason = ours if decision.code is None else decision.code.value
        state = DepositState.REFUND_DUE
    limits.release(deposit.pk)
    return state, reason


def _hold_for_review(deposit: Deposit, actor: Actor) -> None:
    """Set it aside for people where the rules want that, now that its instrument is known.

    A holder who has proved who they are meets a challenge; money that came cannot be blocked.
    """
    asked, now = fraud.before(deposit.pk), _by_the_rules(deposit, fraud.Moment.ARRIVED)
    is_proved = asked.outcome is Outcome.CHALLENGE and now.outcome is Outcome.CHALLENGE
    is_fine = now.outcome is Outcome.ALLOW or is_proved
    if asked.outcome is Outcome.REVIEW or not is_fine:
        reasons = tuple(sorted({*asked.reasons, *now.reasons}))
        review.hold(deposit, Decision(Outcome.REVIEW, reasons), actor)


def _meaning(deposit: Deposit, report: DepositReport) -> Meaning:
    if deposit.provider_ref not in {None, report.provider_ref}:
        return Meaning.CONFLICT
    if report.state in OF_DISPUTES:  # a hint at most: of a dispute, the dispute itself is asked
        return Meaning.SAME if report.state == deposit.state else Meaning.CONFLICT
    return judge_deposit(DepositState(deposit.state), report.state)


def _acts(meaning: Meaning, *, confirmed: bool) -> bool:
    return meaning is Meaning.STEP or (meaning is Meaning.REVERSAL and confirmed)


def _note_contradiction(report: DepositReport, actor: Actor, *, is_early: bool) -> None:
    """The provider insists on what our record cannot follow: nothing moves, people must look.

    A refund of more than is left may be one of what a bank gave back, whose message is on its way:
    the provider is asked again, for a week at most.
    """
    with transaction.atomic():
        deposit = lock_deposit(report.payment_id)
        contradictions.note(deposit, report, actor=actor)
        if is_early and deposit.poll_at is None:
            deposit.poll_at, deposit.polls = database_now() + FIRST_POLL, 0
            deposit.save(update_fields=["poll_at", "polls"])
        if refunds.fell_back(report, deposit):
            overdue.open_fell_back(deposit)

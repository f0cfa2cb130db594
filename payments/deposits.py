"""Deposits: asked for through the gate, paid on the provider's page, credited once or given back.

The row is committed before the provider is called, and the call happens outside any transaction.
What the provider says later, by webhook or when asked, goes through `apply`, whoever brings it.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import facts, gate, limits
from compliance.standing import lock_standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from payments import booking, providers
from payments.models import Deposit
from payments.providers.protocol import (
    DepositReport,
    NewDeposit,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.states import DepositState, Meaning, judge_deposit
from payments.steps import begin, lock_deposit, move_deposit

#: Five failed deposits in ten minutes stop new ones for a while (N.J.A.C. 13:69O-1.3).
FAILURES_MAX: Final = 5
FAILURES_WITHIN: Final = timedelta(minutes=10)
KEY_CHARS_MAX: Final = 80
#: Far above any card's limit: a slip of the finger, not a deposit.
AMOUNT_MINOR_MAX: Final = 100_000_000

CONTRADICTED: Final = register("deposit.contradicted", "Provider contradicts our record")


class DepositCode(StrEnum):
    """Why a deposit was not begun, besides the gate's reasons."""

    KEY_REUSED = "key_reused"
    BAD_KEY = "bad_key"
    TOO_MANY_FAILURES = "too_many_failures"
    TOO_LARGE = "deposit_too_large"
    LIMITS_NOT_ASKED = "limits_not_asked"
    REFUSED = "deposit_refused"


class _Unchanged(Exception):
    """Rolls back a transaction in which a report turned out to change nothing."""

    def __init__(self, meaning: Meaning) -> None:
        super().__init__(meaning)
        self.meaning = meaning


def start(
    *, player_id: PlayerId, amount: Money, key: str, actor: Actor, return_base: str = ""
) -> Deposit:
    """Begin a deposit of ``amount``, once per ``key``; the player goes on to ``redirect_url``.

    The same key with the same amount returns the same deposit; another amount is refused with
    ``KEY_REUSED``. Refuses with a gate code (data of the gate), ``NO_STANDING``,
    ``LIMITS_NOT_ASKED`` (the profile wants the player's answer about limits first),
    ``TOO_MANY_FAILURES``, ``TOO_LARGE``, ``BAD_KEY`` or a provider code; then nothing was charged.
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
    with transaction.atomic(durable=True):
        deposit, refusal = _begin(player_id, amount, key, actor, (name, return_base))
    if refusal is not None:
        raise refusal
    if deposit.state == DepositState.CREATED:
        ask_provider(deposit.pk)
        deposit.refresh_from_db()
    return deposit


def _begin(
    player_id: PlayerId, amount: Money, key: str, actor: Actor, where: tuple[str, str]
) -> tuple[Deposit, Refused | None]:
    """The deposit of this key, made now if need be; a refusal is returned so that it is kept."""
    lock_standing(player_id)
    known = Deposit.objects.filter(player_id=player_id, key=key).first()
    if known is not None:
        if known.amount != amount:
            raise Refused(DepositCode.KEY_REUSED)
        return known, None
    now = database_now()
    if limits.must_answer(player_id, now):
        raise Refused(DepositCode.LIMITS_NOT_ASKED)
    failed = Deposit.objects.filter(
        player_id=player_id, state=DepositState.FAILED, changed_at__gt=now - FAILURES_WITHIN
    ).count()
    if failed >= FAILURES_MAX:
        minutes = int(FAILURES_WITHIN.total_seconds()) // 60
        raise Refused(DepositCode.TOO_MANY_FAILURES, minutes=minutes)
    name, return_base = where
    deposit_id = new_id()
    deposit = Deposit(
        id=deposit_id,
        player_id=player_id,
        provider=name,
        key=key,
        amount_minor=amount.minor,
        currency=amount.currency,
        return_url=f"{return_base}{deposit_id}/" if return_base else "",
    )
    [answer] = gate.decide([_question(deposit)], now=now)
    if not answer.allowed:
        return deposit, Refused(answer.code or DepositCode.REFUSED, **answer.data)
    begin(deposit, "deposit", actor=actor)
    return deposit, None


def _question(deposit: Deposit) -> gate.GateRequest:
    return gate.GateRequest(
        ref=deposit.pk,
        player_id=PlayerId(deposit.player_id),
        purpose=gate.Purpose.DEPOSIT,
        amount=deposit.amount,
        scopes=(f"provider:{deposit.provider}",),
    )


def ask_provider(deposit_id: UUID) -> None:
    """Make the payment at the provider, or look at it: whichever is due. Outside any transaction.

    Safe to repeat at any time: the key is the same, and what comes back goes through `apply`.
    """
    deposit = Deposit.objects.get(pk=deposit_id)
    house = providers.provider(deposit.provider)
    actor = Actor(ActorKind.PROVIDER, deposit.provider)
    try:
        if deposit.state == DepositState.REFUND_DUE:
            report = house.refund(
                f"{deposit.pk}:refund:1", deposit.provider_ref or "", _arrived(deposit)
            )
        elif deposit.provider_ref:
            report = house.find_deposit(deposit.provider_ref)
        else:
            report = house.create_deposit(
                NewDeposit(
                    key=f"{deposit.pk}:create:1",
                    payment_id=deposit.pk,
                    amount=deposit.amount,
                    return_url=deposit.return_url,
                    customer=str(deposit.player_id),
                )
            )
    except ProviderUnreachable as error:
        _note_silence(deposit_id, actor, str(error))
    except ProviderRejected as error:
        _note_rejection(deposit_id, actor, error.code)
    else:
        apply(report, cause="asked", actor=actor, confirmed=True)


def _arrived(deposit: Deposit) -> Money:
    return Money(
        deposit.arrived_minor or deposit.amount_minor, deposit.arrived_currency or deposit.currency
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
        if deposit.provider_ref is None and deposit.state in {
            DepositState.CREATED,
            DepositState.UNKNOWN,
        }:
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
            _note_contradiction(report, actor)
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
    if not _acts(meaning, confirmed=confirmed) or (arriving and decision is None):
        raise _Unchanged(meaning)
    deposit.provider_ref = report.provider_ref
    deposit.redirect_url = report.redirect_url or deposit.redirect_url
    state, reason = report.state, report.reason
    if decision is not None:
        state, reason = _receive(deposit, report.amount, decision, actor)
    elif state is DepositState.REFUNDED:
        if deposit.state == DepositState.REFUND_DUE:
            booking.give_back(deposit, _arrived(deposit), actor)
        else:
            booking.reverse(deposit, actor)
    elif state in {DepositState.FAILED, DepositState.CANCELED, DepositState.EXPIRED}:
        limits.release(deposit.pk)
    move_deposit(deposit, state, actor=actor, cause=cause, reason=reason)
    return meaning


def _receive(
    deposit: Deposit, arrived: Money, decision: gate.Decision, actor: Actor
) -> tuple[DepositState, str]:
    """Book money that has come: to the player with the gate's permit, or aside."""
    deposit.arrived_minor, deposit.arrived_currency = arrived.minor, arrived.currency
    if decision.permit is not None and arrived == deposit.amount:
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
        state, reason = DepositState.SUCCEEDED, ""
    else:
        booking.set_aside(deposit, arrived, actor)
        reason = "another_amount" if decision.code is None else decision.code.value
        state = DepositState.REFUND_DUE
    limits.release(deposit.pk)
    return state, reason


def _meaning(deposit: Deposit, report: DepositReport) -> Meaning:
    if deposit.provider_ref not in {None, report.provider_ref}:
        return Meaning.CONFLICT
    return judge_deposit(DepositState(deposit.state), report.state)


def _acts(meaning: Meaning, *, confirmed: bool) -> bool:
    return meaning is Meaning.STEP or (meaning is Meaning.REVERSAL and confirmed)


def _note_contradiction(report: DepositReport, actor: Actor) -> None:
    """The provider insists on what our record cannot follow: nothing moves, people must look."""
    with transaction.atomic():
        record(
            CONTRADICTED,
            actor=actor,
            subject=Subject("deposit", str(report.payment_id)),
            component="payments",
            before={"state": Deposit.objects.get(pk=report.payment_id).state},
            after={
                "reported": report.state.value,
                "provider_ref": report.provider_ref,
                "amount_minor": report.amount.minor,
                "currency": report.amount.currency,
            },
        )

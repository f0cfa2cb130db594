"""Who bears a deposit that a provider took back: two people say it, and perhaps give it back.

Somebody of finance enters the dispute, and who bears what the player no longer has; somebody else
approves, and the ledger posts it in the same transaction (`ledger.chargebacks`, which decides both
people's rights and the split in the database). Of a dispute that the provider reported itself
(`payments.disputes`) its side is booked and the deposit says so already; of any other, this books
it too. Here: which deposit it is, and what its player reads about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from compliance import freezing
from compliance.standing import lock_standings
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import chargebacks
from ledger.chargebacks import Chargeback, ChargebackCode, Step, Wanted
from ledger.shortfall import Shortfall
from ledger.two_people import Decision
from notices.send import notify
from payments import booking
from payments.disputes import applying as disputes
from payments.models import Deposit
from payments.notice_kinds import CHARGEBACK_RETURNED, DEPOSIT_CHARGED_BACK
from payments.states import CAPTURED, WITH_US, DepositState
from payments.steps import lock_deposit, move_deposit


class DisputeCode(StrEnum):
    """Why a dispute is refused before the ledger is asked."""

    NOT_CAPTURED = "deposit_not_captured"


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a provider says: under its ``dispute``, ``amount`` of ``deposit`` was taken back.

    ``shortfall`` is ours: `ledger.shortfall.Shortfall`.
    """

    deposit: UUID
    dispute: str
    amount: Money
    shortfall: str
    note: str


def deposit_named(text: str) -> Deposit:
    """The deposit of this number, or of this reference of its provider.

    Refuses with ``UNKNOWN_DEPOSIT``, also where two providers use one reference.
    """
    text = text.strip()
    try:
        found = list(Deposit.objects.filter(pk=UUID(text)))
    except ValueError:
        found = list(Deposit.objects.filter(provider_ref=text)[:2]) if text else []
    if len(found) != 1:
        raise Refused(ChargebackCode.UNKNOWN_DEPOSIT)
    return found[0]


def propose(dispute: Dispute, *, actor: Actor) -> Chargeback:
    """Enter a dispute; a second person approves it. The same one again is the same proposal.

    Refuses with ``UNKNOWN_DEPOSIT``, ``NOT_CAPTURED`` (no money came, or it went back already),
    and as :func:`ledger.chargebacks.propose`. The player's payouts wait from then on. Locks the
    player, the deposit, then the player's account.
    """
    with transaction.atomic():
        if not Deposit.objects.filter(pk=dispute.deposit).exists():
            raise Refused(ChargebackCode.UNKNOWN_DEPOSIT)
        _lock_player_of(dispute.deposit)
        deposit = lock_deposit(dispute.deposit)
        _check_captured(deposit)
        made = chargebacks.propose(
            Wanted(
                provider=deposit.provider,
                dispute=dispute.dispute.strip(),
                deposit=booking.credit_id(deposit.pk),
                amount_minor=dispute.amount.minor,
                currency=dispute.amount.currency,
                shortfall=dispute.shortfall,
                note=dispute.note,
            ),
            actor=actor,
        )
        if not made.is_reported:  # of a reported one the payouts wait already, or were let go
            freezing.freeze(
                PlayerId(deposit.player_id), freezing.Ground.DISPUTE, actor=disputes.SYSTEM
            )
    return made


def propose_return(chargeback_id: UUID, *, actor: Actor, note: str) -> Chargeback:
    """Enter that the provider returned a booked chargeback; a second person approves it.

    Refuses as :func:`ledger.chargebacks.propose_return`. Locks the player's account.
    """
    return chargebacks.propose_return(chargeback_id, actor=actor, note=note)


def approve(chargeback_id: UUID, *, actor: Actor, note: str = "") -> Chargeback:
    """Approve and book it, and tell its player; again by the same person changes nothing.

    Refuses with ``NOT_CAPTURED`` (refunded meanwhile) and as :func:`ledger.chargebacks.approve`.
    Locks the deposit, then the accounts.
    """
    with transaction.atomic():
        asked = chargebacks.find(chargeback_id)
        _lock_player_of(deposit_id(asked))
        deposit = lock_deposit(deposit_id(asked))
        is_new = chargebacks.find(chargeback_id).decision is None
        if is_new:
            _check_captured(deposit)
        done = chargebacks.approve(chargeback_id, actor=actor, note=note)
        if is_new:
            if not done.is_reported:
                _show(deposit, done, actor)
            _tell(deposit, done)
            if done.step == Step.RETURNED:
                _thaw_if_over(deposit.player_id, "A chargeback came back")
    return done


def refuse(chargeback_id: UUID, *, actor: Actor, note: str) -> Chargeback:
    """Say no, and why; nothing is booked, and the dispute may be entered again."""
    return _ended(chargeback_id, lambda: chargebacks.refuse(chargeback_id, actor=actor, note=note))


def withdraw(chargeback_id: UUID, *, actor: Actor) -> Chargeback:
    """Take one's own back while it waits; the dispute may be entered again."""
    return _ended(chargeback_id, lambda: chargebacks.withdraw(chargeback_id, actor=actor))


def _ended(chargeback_id: UUID, end: Callable[[], Chargeback]) -> Chargeback:
    """One that is off the table: the payouts go on where nothing else holds them."""
    with transaction.atomic():
        asked = chargebacks.find(chargeback_id)
        _lock_player_of(deposit_id(asked))
        deposit = lock_deposit(deposit_id(asked))
        done = end()
        _thaw_if_over(deposit.player_id, "What was entered about a dispute was taken back")
    return done


def _lock_player_of(deposit: UUID) -> None:
    of_it = Deposit.objects.filter(pk=deposit).values_list("player_id", flat=True)
    lock_standings([PlayerId(player_id) for player_id in of_it])


def _thaw_if_over(player_id: int, reason: str) -> None:
    disputes.thaw_if_over(PlayerId(player_id), reason, disputes.SYSTEM)


def deposit_id(chargeback: Chargeback) -> UUID:
    """Which of our deposits it is about."""
    return UUID(chargeback.ref.removeprefix(booking.REF))


def _check_captured(deposit: Deposit) -> None:
    if DepositState(deposit.state) not in CAPTURED:
        raise Refused(DisputeCode.NOT_CAPTURED, state=deposit.state)


def _show(deposit: Deposit, done: Chargeback, actor: Actor) -> None:
    """The deposit's state: disputed while any of it is charged back; won once nothing is."""
    state = DepositState(deposit.state)
    if done.step == Step.TAKEN:
        after, before = DepositState.DISPUTED, WITH_US
    else:
        after, before = DepositState.WON, frozenset({DepositState.DISPUTED})
    open_ones = [
        one
        for one in chargebacks.of_deposit(done.deposit)
        if one.step == Step.TAKEN
        and one.decision == Decision.APPROVED
        and one.return_state != Decision.APPROVED
    ]
    if state in before and (after is DepositState.DISPUTED or not open_ones):
        move_deposit(deposit, after, actor=actor, cause=f"dispute {done.dispute}")


def _tell(deposit: Deposit, done: Chargeback) -> None:
    """What it did to the player's account, and to what they owe; not what the house bears."""
    owes = done.shortfall == Shortfall.RECEIVABLE
    notify(
        deposit.player_id,
        DEPOSIT_CHARGED_BACK if done.step == Step.TAKEN else CHARGEBACK_RETURNED,
        {
            "deposit_id": str(deposit.pk),
            "amount_minor": done.amount_minor,
            "currency": done.currency,
            "taken_minor": done.cash_minor,
            "owed_minor": done.bearer_minor if owes else 0,
        },
    )

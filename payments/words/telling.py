"""Telling a player that a payment moved: once, in the transaction that moved it.

`payments.steps` calls :func:`moved` with every step, so no way of moving a payment can forget it,
and a step happens once. Rolled back, nothing was told. Of a dispute it tells what a provider said;
what people here then take from the balance is told by `payments.disputes.chargebacks`.
"""

from __future__ import annotations

from typing import Final

from kernel.ids import ActorKind
from notices.send import notify
from payments import notice_kinds as kinds
from payments.models import Deposit, Withdrawal
from payments.states import DepositState, WithdrawalState
from payments.words.explaining import direction_of, reason_told

_D, _W = DepositState, WithdrawalState

#: State that was reached → what the player is told. Every other step shows on the page alone.
DEPOSIT_NEWS: Final[dict[DepositState, str]] = {
    _D.SUCCEEDED: kinds.DEPOSIT_ARRIVED,
    _D.REFUND_DUE: kinds.DEPOSIT_GOES_BACK,
    _D.REFUNDED: kinds.DEPOSIT_WENT_BACK,
    _D.FAILED: kinds.DEPOSIT_NOT_MADE,
    _D.CANCELED: kinds.DEPOSIT_NOT_MADE,
    _D.EXPIRED: kinds.DEPOSIT_NOT_MADE,
}
#: The same where a provider moved it: of disputes that people entered, they tell themselves.
DISPUTE_NEWS: Final[dict[DepositState, str]] = {
    _D.DISPUTED: kinds.DEPOSIT_DISPUTED,
    _D.WON: kinds.DEPOSIT_DISPUTE_OVER,
    _D.LOST: kinds.DEPOSIT_DISPUTE_OVER,
}
WITHDRAWAL_NEWS: Final[dict[WithdrawalState, str]] = {
    _W.PAID: kinds.WITHDRAWAL_PAID,
    _W.REJECTED: kinds.WITHDRAWAL_NOT_PAID,
    _W.FAILED: kinds.WITHDRAWAL_NOT_PAID,
    _W.RETURNED: kinds.WITHDRAWAL_NOT_PAID,
}


def moved(
    payment: Deposit | Withdrawal, before: DepositState | WithdrawalState, by: ActorKind
) -> None:
    """``payment`` has just left ``before``, moved ``by`` somebody; in that step's transaction."""
    if isinstance(payment, Deposit):
        after = DepositState(payment.state)
        kind = DEPOSIT_NEWS.get(after)
        if before is _D.UNKNOWN and after is _D.REQUIRES_ACTION:
            kind = kinds.DEPOSIT_NEEDS_YOU  # nobody was led to the payment page when it opened
        if by is ActorKind.PROVIDER:
            kind = DISPUTE_NEWS.get(after, kind)
    else:
        kind = WITHDRAWAL_NEWS.get(WithdrawalState(payment.state))
    if kind is not None and before != payment.state:
        _tell(payment, kind)


def went_back(deposit: Deposit, minor: int) -> None:
    """``minor`` of a deposit that stays went back to its source; in the transaction booking it."""
    _tell(deposit, kinds.DEPOSIT_WENT_BACK, amount_minor=minor, of_minor=deposit.amount_minor)


def freed(deposit: Deposit, minor: int) -> None:
    """``minor`` of it was under review and is the player's to use; in that transaction, or after
    the hold ran out."""
    _tell(deposit, kinds.DEPOSIT_FREED, amount_minor=minor)


def is_late(payment: Deposit | Withdrawal, case: str) -> None:
    """The promised time is over and ``case`` was opened about it; in that transaction."""
    _tell(payment, kinds.PAYMENT_LATE, case=case)


def _tell(payment: Deposit | Withdrawal, kind: str, **more: str | int) -> None:
    told: dict[str, str | int | bool | None] = {
        "payment_id": str(payment.pk),
        "direction": direction_of(payment),
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "state": payment.state,
        "reason": reason_told(payment.state, payment.reason),
    }
    notify(payment.player_id, kind, told | more)

"""Sending a deposit back by ourselves: how much, and the how-manieth attempt at it is on.

An attempt has one key and one amount, kept before the provider is asked, so asking again is
harmless. Only when the provider has said for certain that it came to nothing does the next begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from kernel.ids import Actor
from kernel.money import Money
from payments.fraud import review
from payments.models import Deposit
from payments.paying_in import refunds
from payments.states import DepositState
from payments.steps import lock_deposit

FAILED: Final = register("deposit.refund_failed", "Deposit could not be sent back")
#: A bank that would not take it back is not asked again at once.
RETRY_AFTER: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the provider is asked for, as often as it is asked."""

    deposit_id: UUID
    number: int
    amount: Money

    @property
    def key(self) -> str:
        """Our idempotency key."""
        return f"{self.deposit_id}:refund:{self.number}"


def begin(deposit_id: UUID) -> Attempt | None:
    """The attempt that is on, begun now if need be; None where nothing is to go back.

    Locks the deposit; opens its own transaction.
    """
    with transaction.atomic():
        deposit = lock_deposit(deposit_id)
        if not _is_due(deposit):
            return None
        if deposit.refund_asked_minor is None:
            deposit.refund_asked_minor = refunds.left(deposit).minor
            deposit.save(update_fields=["refund_asked_minor"])
        amount = Money(deposit.refund_asked_minor, refunds.arrived(deposit).currency)
        return Attempt(deposit_id, deposit.refund_attempts + 1, amount)


def _is_due(deposit: Deposit) -> bool:
    """Whether the provider is to send it back: never playable, or somebody decided so."""
    if not refunds.left(deposit).minor:
        return False
    if deposit.state == DepositState.REFUND_DUE:
        return True
    return deposit.state in review.RETURNABLE and review.is_to_return(deposit.pk)


def end(attempt: Attempt, *, why: str | None, actor: Actor) -> None:
    """It is over for certain: what was asked for went back, or (``why``) nothing did.

    Repeatable; the next one begins with the next look. Locks the deposit; own transaction.
    """
    with transaction.atomic():
        deposit = lock_deposit(attempt.deposit_id)
        if deposit.refund_attempts != attempt.number - 1 or deposit.refund_asked_minor is None:
            return
        deposit.refund_attempts, deposit.refund_asked_minor = attempt.number, None
        if why is not None:
            deposit.poll_at = max(deposit.poll_at or database_now(), database_now() + RETRY_AFTER)
            record(
                FAILED,
                actor=actor,
                subject=Subject("deposit", str(deposit.pk)),
                component="payments",
                after={"attempt": attempt.number, "amount_minor": attempt.amount.minor},
                reason=why,
            )
        deposit.save(update_fields=["refund_attempts", "refund_asked_minor", "poll_at"])

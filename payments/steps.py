"""One step of one payment: the row locked, the table obeyed, the step written down for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from audit.record import Subject, record, register
from kernel.ids import Actor, new_id
from kernel.invariant import ensure
from payments.models import Deposit, Withdrawal
from payments.states import (
    DEPOSIT_REVERSALS,
    DEPOSIT_STEPS,
    DEPOSIT_WAITS,
    DEPOSITS_POLLED,
    FIRST_POLL,
    WITHDRAWAL_STEPS,
    WITHDRAWAL_WAITS,
    WITHDRAWALS_POLLED,
    DepositState,
    WithdrawalState,
)
from payments.words import telling

_AUDITED: Final = {
    state: register(f"deposit.{state.value}", f"Deposit: {state.value.replace('_', ' ')}")
    for state in DepositState
} | {
    state: register(f"withdrawal.{state.value}", f"Withdrawal: {state.value.replace('_', ' ')}")
    for state in WithdrawalState
}


def lock_deposit(deposit_id: UUID) -> Deposit:
    """The deposit under its lock (rank PAYMENT). ``InvariantBroken`` when there is none."""
    rows = lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_deposit WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [deposit_id],
    )
    ensure(len(rows) == 1, "the deposit to lock exists", deposit=deposit_id)
    return Deposit.objects.get(pk=deposit_id)


def lock_withdrawal(withdrawal_id: UUID) -> Withdrawal:
    """The withdrawal under its lock (rank PAYMENT). ``InvariantBroken`` when there is none."""
    rows = lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_withdrawal WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [withdrawal_id],
    )
    ensure(len(rows) == 1, "the withdrawal to lock exists", withdrawal=withdrawal_id)
    return Withdrawal.objects.get(pk=withdrawal_id)


def move_deposit(
    deposit: Deposit, after: DepositState, *, actor: Actor, cause: str, reason: str = ""
) -> None:
    """Move a locked deposit one step of the table. ``InvariantBroken`` for any other step.

    The caller has booked the money. Sets what the player is promised and when we ask again.
    """
    before = DepositState(deposit.state)
    allowed = DEPOSIT_STEPS[before] | DEPOSIT_REVERSALS.get(before, frozenset())
    ensure(after in allowed, "deposits move by the table", before=before, after=after)
    _move(deposit, after, DEPOSIT_WAITS.get(after), after in DEPOSITS_POLLED, reason)
    _note(deposit, "deposit", (before, after), actor, cause)


def move_withdrawal(
    withdrawal: Withdrawal, after: WithdrawalState, *, actor: Actor, cause: str, reason: str = ""
) -> None:
    """Move a locked withdrawal one step of the table. ``InvariantBroken`` for any other step."""
    before = WithdrawalState(withdrawal.state)
    ensure(
        after in WITHDRAWAL_STEPS[before],
        "withdrawals move by the table",
        before=before,
        after=after,
    )
    _move(withdrawal, after, WITHDRAWAL_WAITS.get(after), after in WITHDRAWALS_POLLED, reason)
    _note(withdrawal, "withdrawal", (before, after), actor, cause)


def _move(
    payment: Deposit | Withdrawal,
    after: DepositState | WithdrawalState,
    waits: timedelta | None,
    polled: bool,  # noqa: FBT001  (a fact of the state, looked up by the two callers)
    reason: str,
) -> None:
    now = database_now()
    payment.state = after.value
    payment.reason = reason[:120]
    payment.changed_at = now
    payment.expected_by = None if waits is None else now + waits
    payment.polls = 0
    payment.poll_at = now + FIRST_POLL if polled else None
    payment.save()


def _note(
    payment: Deposit | Withdrawal,
    direction: str,
    step: tuple[DepositState | WithdrawalState, DepositState | WithdrawalState],
    actor: Actor,
    cause: str,
) -> None:
    before, after = step
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_transition (id, at, payment_id, direction, player_id, before,"
            " after, actor, cause, reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                new_id(),
                payment.changed_at,
                payment.pk,
                direction,
                payment.player_id,
                before.value,
                after.value,
                str(actor),
                cause[:120],
                payment.reason,
            ],
        )
    record(
        _AUDITED[after],
        actor=actor,
        subject=Subject(direction, str(payment.pk)),
        component="payments",
        before={"state": before.value},
        after={
            "state": after.value,
            "player_id": payment.player_id,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
        },
        reason=payment.reason,
    )
    telling.moved(payment, before, actor.kind)


def begin(payment: Deposit | Withdrawal, direction: str, *, actor: Actor) -> None:
    """Write the first row of a payment's history, in the transaction that made it."""
    now = payment.changed_at = database_now()
    state: DepositState | WithdrawalState
    if isinstance(payment, Deposit):
        state = DepositState(payment.state)
        payment.expected_by = now + DEPOSIT_WAITS[state]
        payment.poll_at = now + FIRST_POLL
    else:
        state = WithdrawalState(payment.state)
        payment.expected_by = now + WITHDRAWAL_WAITS[state]
    payment.save(force_insert=True)
    _note(payment, direction, (state, state), actor, "request")

"""The parts of a request under their locks, and what stands against sending one on.

Lock order within the rank of payments: the deposits that parts go back to, then the parts.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import F

from audit.locks import LockRank, lock_rows
from kernel.ids import Actor
from kernel.invariant import ensure
from payments import booking
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_out.payout_plan import REFUNDABLE
from payments.paying_out.withdrawal_codes import PartCode
from payments.providers.protocol import PayoutRoute
from payments.states import WithdrawalState
from payments.steps import move_withdrawal

_SOURCES = (
    "SELECT id FROM payments_deposit WHERE id IN"
    " (SELECT source_deposit_id FROM payments_withdrawal WHERE {})"
    " ORDER BY id FOR NO KEY UPDATE"
)
_PARTS = "SELECT id FROM payments_withdrawal WHERE {} ORDER BY id FOR NO KEY UPDATE"


def lock_request(request_id: UUID) -> list[Withdrawal]:
    """All parts of a request in their order, under their locks and those of their deposits."""
    _lock("request_id = %s", request_id)
    parts = Withdrawal.objects.filter(request_id=request_id)
    return list(parts.select_related("source_deposit", "instrument").order_by("part", "pk"))


def lock_part(withdrawal_id: UUID) -> Withdrawal:
    """One part under its lock and its deposit's. ``InvariantBroken`` when there is none."""
    _lock("id = %s", withdrawal_id)
    found = Withdrawal.objects.filter(pk=withdrawal_id)
    parts = list(found.select_related("source_deposit", "instrument"))
    ensure(len(parts) == 1, "the withdrawal to lock exists", withdrawal=withdrawal_id)
    return parts[0]


def _lock(which: str, value: UUID) -> None:
    for sql in (_SOURCES, _PARTS):
        lock_rows(LockRank.PAYMENT, sql.format(which), [value])


def lock_sources(deposits: list[UUID]) -> dict[UUID, Deposit]:
    """These deposits under their locks (rank PAYMENT), as they are now."""
    lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_deposit WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE",
        [deposits],
    )
    return Deposit.objects.in_bulk(deposits)


def fault(part: Withdrawal) -> PartCode | None:
    """Why a locked part that no provider has seen cannot go where it was to go, or None."""
    match part.route:
        case PayoutRoute.REFUND:
            return None if _is_source_there(part.source_deposit, part) else PartCode.SOURCE_GONE
        case PayoutRoute.ACCOUNT:
            return None if _is_own(part.instrument) else PartCode.ACCOUNT_GONE
        case _:
            return PartCode.NO_ROUTE


def _is_source_there(deposit: Deposit | None, part: Withdrawal) -> bool:
    return (
        deposit is not None
        and deposit.state in REFUNDABLE
        and deposit.refunded_minor + part.amount_minor <= deposit.amount_minor
    )


def _is_own(account: Instrument | None) -> bool:
    return account is not None and account.verified_at is not None and account.removed_at is None


def end(part: Withdrawal, after: WithdrawalState, *, actor: Actor, cause: str, why: str) -> None:
    """End a locked part that was not paid: its hold is released, its row says why."""
    booking.release(part, actor)
    move_withdrawal(part, after, actor=actor, cause=cause, reason=why)


def note_refund(part: Withdrawal, *, back: bool = False) -> None:
    """A refund part was paid (or, ``back``, returned): what went back of its deposit changes."""
    if part.source_deposit_id is not None:
        change = -part.amount_minor if back else part.amount_minor
        Deposit.objects.filter(pk=part.source_deposit_id).update(
            refunded_minor=F("refunded_minor") + change
        )

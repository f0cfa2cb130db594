"""A player's payments, page by page, as far back as the books go, and by what is asked for.

Pages hang on a payment, the last one shown, so that one that is made meanwhile shifts nothing and
none is shown twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from kernel.ids import PlayerId
from payments.models import Deposit, Withdrawal
from payments.states import DEPOSIT_WAITS, WITHDRAWAL_WAITS, DepositState, WithdrawalState

PER_PAGE: Final = 25
PER_PAGE_MAX: Final = 100

_D, _W = DepositState, WithdrawalState
Payment = Deposit | Withdrawal
_Row = TypeVar("_Row", Deposit, Withdrawal)


class Stand(StrEnum):
    """Where payments stand, as far as a list asks."""

    WAITING = "waiting"
    DONE = "done"
    NOT_DONE = "not_done"


#: Which states each of them is. Together they are all states, each once (a test says so).
DEPOSIT_STANDS: Final[dict[Stand, frozenset[DepositState]]] = {
    Stand.WAITING: frozenset(DEPOSIT_WAITS),
    Stand.DONE: frozenset({_D.SUCCEEDED, _D.WON}),
    Stand.NOT_DONE: frozenset({_D.FAILED, _D.CANCELED, _D.EXPIRED, _D.REFUNDED, _D.LOST}),
}
WITHDRAWAL_STANDS: Final[dict[Stand, frozenset[WithdrawalState]]] = {
    Stand.WAITING: frozenset(WITHDRAWAL_WAITS),
    Stand.DONE: frozenset({_W.PAID}),
    Stand.NOT_DONE: frozenset({_W.REJECTED, _W.FAILED, _W.RETURNED}),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for: None asks for all. ``since`` is included, ``until`` excluded."""

    direction: str | None = None
    stand: Stand | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Payments, newest first. ``older_than`` is the last one here where there are older ones."""

    payments: tuple[Payment, ...] = field(default_factory=tuple)
    older_than: UUID | None = None


def deposits() -> QuerySet[Deposit]:
    """Deposits with what they are shown with."""
    return Deposit.objects.select_related("instrument")


def withdrawals() -> QuerySet[Withdrawal]:
    """Withdrawals with what they are shown with."""
    return Withdrawal.objects.select_related("instrument", "source_deposit__instrument")


def page(
    player_id: PlayerId, wanted: Wanted, *, before: UUID | None = None, limit: int = PER_PAGE
) -> Page:
    """The newest payments that are ``wanted``; those made before ``before`` where it is given.

    A ``before`` that is no payment of this player has nothing before it: an empty page.
    """
    edge = None if before is None else _find(player_id, before)
    if before is not None and edge is None:
        return Page()
    found: list[Payment] = []
    if wanted.direction in {None, "deposit"}:
        found += _newest(deposits(), player_id, wanted, DEPOSIT_STANDS, edge)[: limit + 1]
    if wanted.direction in {None, "withdrawal"}:
        found += _newest(withdrawals(), player_id, wanted, WITHDRAWAL_STANDS, edge)[: limit + 1]
    found.sort(key=_place, reverse=True)
    shown = tuple(found[:limit])
    return Page(shown, shown[-1].pk if len(found) > limit else None)


def _newest(
    rows: QuerySet[_Row],
    player_id: PlayerId,
    wanted: Wanted,
    stands: dict[Stand, Any],
    edge: tuple[datetime, UUID] | None,
) -> QuerySet[_Row]:
    found = rows.filter(player_id=player_id)
    if wanted.stand is not None:
        found = found.filter(state__in=[state.value for state in stands[wanted.stand]])
    if wanted.since is not None:
        found = found.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(created_at__lt=wanted.until)
    if edge is not None:
        at, pk = edge
        found = found.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    return found.order_by("-created_at", "-pk")


def _find(player_id: PlayerId, payment_id: UUID) -> tuple[datetime, UUID] | None:
    """The place of the player's own payment in their list."""
    for table in (Deposit, Withdrawal):
        found = table.objects.filter(player_id=player_id, pk=payment_id).first()
        if found is not None:
            return _place(found)
    return None


def _place(payment: Payment) -> tuple[datetime, UUID]:
    return payment.created_at, payment.pk

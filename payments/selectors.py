"""Reads for the cashier's pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from compliance.standing import read_standing
from kernel.ids import PlayerId
from ledger import accounts, chargebacks, holds
from payments import booking, listing
from payments.models import Deposit, Withdrawal
from payments.states import CAME

#: Under way at one time; more of one player would be a question for people.
WAITING_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Funds:
    """A player's money: what can be played or withdrawn, what is on its way out, and what is set
    aside of their balance: ``available`` is what is posted less that."""

    currency: str
    available_minor: int
    held_minor: int
    set_aside_minor: int
    holds: tuple[holds.Open, ...]


def funds(player_id: PlayerId) -> Funds | None:
    """The player's money now; None for people who do not play."""
    standing = read_standing(player_id)
    if standing is None:
        return None
    cash = accounts.player_cash(player_id, standing.currency)
    held = accounts.player_held(player_id, standing.currency)
    found = accounts.balances([cash, held])
    set_aside_minor = found[cash].held_minor
    return Funds(
        currency=standing.currency,
        available_minor=found[cash].available_minor,
        held_minor=found[held].posted_minor,
        set_aside_minor=set_aside_minor,
        holds=tuple(holds.open_on(cash)) if set_aside_minor else (),
    )


def went_back_minor(player_id: PlayerId, currency: str) -> int:
    """What the ledger took of the player's deposits for their source: refunds of what was credited,
    and approved chargebacks less what was returned of them. Whoever bore a part of it.
    """
    deposits = Deposit.objects.filter(player_id=player_id, currency=currency)
    found = dict(deposits.filter(state__in=CAME).values_list("pk", "reversed_minor"))
    if not found:
        return 0
    taken_minor = chargebacks.taken_minor([booking.credit_id(pk) for pk in found])
    return sum(found.values()) + taken_minor


def payments(player_id: PlayerId, at_most: int) -> Sequence[Deposit | Withdrawal]:
    """The player's newest payments of both directions, newest first."""
    return listing.page(player_id, listing.Wanted(), limit=at_most).payments


def waiting(player_id: PlayerId) -> Sequence[Deposit | Withdrawal]:
    """What is still under way of the player's money, newest first; at most ``WAITING_MAX``."""
    wanted = listing.Wanted(stand=listing.Stand.WAITING)
    return listing.page(player_id, wanted, limit=WAITING_MAX).payments


def payment(player_id: PlayerId, payment_id: UUID) -> Deposit | Withdrawal | None:
    """The player's own payment of either direction; None for what is not theirs."""
    deposit = listing.deposits().filter(player_id=player_id, pk=payment_id).first()
    if deposit is not None:
        return deposit
    return listing.withdrawals().filter(player_id=player_id, pk=payment_id).first()


def other_parts(payment: Deposit | Withdrawal) -> Sequence[Withdrawal]:
    """The other parts of the request that a withdrawal belongs to, in their order."""
    if isinstance(payment, Deposit):
        return ()
    of_it = listing.withdrawals().filter(request_id=payment.request_id)
    return list(of_it.exclude(pk=payment.pk).order_by("part"))

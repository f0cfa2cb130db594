"""Reads for the cashier's pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from compliance.standing import read_standing
from kernel.ids import PlayerId
from ledger import accounts
from payments.models import Deposit, Withdrawal

PAYMENTS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Funds:
    """A player's money: what can be played or withdrawn, and what is on its way out."""

    currency: str
    available_minor: int
    held_minor: int


def funds(player_id: PlayerId) -> Funds | None:
    """The player's money now; None for people who do not play."""
    standing = read_standing(player_id)
    if standing is None:
        return None
    cash = accounts.player_cash(player_id, standing.currency)
    held = accounts.player_held(player_id, standing.currency)
    found = accounts.balances([cash, held])
    return Funds(standing.currency, found[cash].available_minor, found[held].posted_minor)


def payments(player_id: PlayerId, at_most: int = PAYMENTS_MAX) -> Sequence[Deposit | Withdrawal]:
    """The player's newest payments of both directions, newest first."""
    newest: list[Deposit | Withdrawal] = [
        *Deposit.objects.filter(player_id=player_id).order_by("-created_at")[:at_most],
        *Withdrawal.objects.filter(player_id=player_id).order_by("-created_at")[:at_most],
    ]
    return sorted(newest, key=lambda one: one.created_at, reverse=True)[:at_most]

"""What a correction does to one player's bets of a round, and who bears what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kernel.invariant import ensure
from ledger.shortfall import cover


@dataclass(frozen=True, slots=True)
class Change:
    """A bet whose outcome changes. Minor units: what the old result paid, what the new one does."""

    bet_id: UUID
    old_minor: int
    new_minor: int


@dataclass(frozen=True, slots=True)
class Split:
    """Where the old payouts come from, and what the house gets back of an earlier loss."""

    reversed_minor: int
    taken_minor: int
    owed_minor: int
    lost_minor: int
    paid_minor: int
    regained_minor: int


@dataclass(frozen=True, slots=True)
class Back:
    """One bet's old payout on its way back: from the player's account, and the rest."""

    bet_id: UUID
    taken_minor: int
    rest_minor: int


def split(
    changes: Sequence[Change], *, available_minor: int, borne_minor: int, house_bears: bool
) -> Split:
    """Who bears what, for one player and currency.

    The new payouts come first, so they count as ``available``. ``borne_minor`` is what the house
    bore of this player's in earlier corrections of the round: a correction that pays the player
    more gives that back first, so that nobody is paid twice for one bet.
    """
    ensure(borne_minor >= 0, "the house bears what is short, not less", borne=borne_minor)
    reversed_minor = sum(change.old_minor for change in changes)
    paid_minor = sum(change.new_minor for change in changes)
    parts = cover(reversed_minor, max(0, available_minor) + paid_minor)
    gained_minor = max(0, paid_minor - reversed_minor)
    return Split(
        reversed_minor=reversed_minor,
        taken_minor=parts.taken_minor,
        owed_minor=0 if house_bears else parts.rest_minor,
        lost_minor=parts.rest_minor if house_bears else 0,
        paid_minor=paid_minor,
        regained_minor=min(borne_minor, gained_minor),
    )


def ways_back(changes: Sequence[Change], taken_minor: int) -> list[Back]:
    """``taken_minor`` spread over the old payouts, bet by bet in order, each at most its own."""
    ways = []
    left_minor = taken_minor
    for change in changes:
        if change.old_minor == 0:
            continue
        parts = cover(change.old_minor, left_minor)
        left_minor -= parts.taken_minor
        ways.append(Back(change.bet_id, parts.taken_minor, parts.rest_minor))
    ensure(left_minor == 0, "no more is taken back than was paid", left=left_minor)
    return ways

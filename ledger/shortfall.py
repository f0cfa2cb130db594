"""Money that is to be taken and may be gone already: what is there, and who bears the rest. Pure.

A correction of a round and a chargeback of a deposit split their amount by this one rule. Its twin
in the database is ``ledger_cover`` (``ledger/sql/0007_chargebacks.sql``); a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.invariant import ensure


class Shortfall(StrEnum):
    """Who bears what is not there: the player, as a debt, or the house, as a loss."""

    RECEIVABLE = "receivable"
    HOUSE = "house"


@dataclass(frozen=True, slots=True)
class Cover:
    """An amount in two parts: what is there is taken, and somebody bears the rest."""

    taken_minor: int
    rest_minor: int


def cover(amount_minor: int, there_minor: int) -> Cover:
    """``amount_minor`` out of ``there_minor``; an account below zero has nothing."""
    ensure(amount_minor >= 0, "what is taken is an amount", amount_minor=amount_minor)
    taken_minor = min(amount_minor, max(0, there_minor))
    return Cover(taken_minor, amount_minor - taken_minor)

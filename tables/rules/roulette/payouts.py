"""Which rules are played at a table, and what a stake returns under them. Integers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kernel.invariant import ensure
from kernel.refusal import Refused
from tables.rules.roulette.bets import EVEN_MONEY, Position
from tables.rules.roulette.codes import RulesCode
from tables.rules.roulette.wheel import NUMBERS


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One set of rules. A change of any rule is a new ``version``, hence a new hash."""

    name: str
    la_partage: bool  # zero returns half of an even-money stake
    version: int


#: The rules a table may name.
RULESETS: Final[Mapping[str, Ruleset]] = MappingProxyType(
    {
        ruleset.name: ruleset
        for ruleset in (
            Ruleset("european", la_partage=False, version=1),
            Ruleset("european-la-partage", la_partage=True, version=1),
        )
    }
)


def ruleset(name: str) -> Ruleset:
    """The rules called ``name``; refuses with ``UNKNOWN_RULESET`` (data: ``ruleset``)."""
    try:
        return RULESETS[name]
    except KeyError:
        raise Refused(RulesCode.UNKNOWN_RULESET, ruleset=name[:48]) from None


def payout(ruleset: Ruleset, position: Position, stake_minor: int, number: int) -> int:
    """Minor units returned, stake included, when ``number`` falls; 0 when the stake is lost.

    La partage returns half of an even-money stake on zero. Half of an odd number of minor units
    is rounded up, to the player: our house rule (docs/decisions/0030), part of the described and
    hashed rules. A stake that is not positive or a number off the wheel is a bug.
    """
    ensure(type(stake_minor) is int and stake_minor > 0, "a stake is positive", stake=stake_minor)
    ensure(number in NUMBERS, "the wheel has this number", number=number)
    if position.covers(number):
        return stake_minor * (position.odds + 1)
    if number == 0 and ruleset.la_partage and position.kind in EVEN_MONEY:
        return (stake_minor + 1) // 2
    return 0

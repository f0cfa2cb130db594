"""The one description of the rules: what is hashed into each bet, and what players are shown.

``description`` lists everything that decides a payout. ``rules_hash`` is taken over it, and the
displayed ``paytable`` is made from it, its returns found by paying every number through the same
``payout`` that settles. Text that could drift from the rules is never written by hand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from kernel.invariant import ensure
from kernel.refusal import Refused
from tables.rules.roulette.announced import ALL_ANNOUNCED, NEIGHBOURS_MAX
from tables.rules.roulette.bets import ALL_POSITIONS, EVEN_MONEY, BetKind, Position
from tables.rules.roulette.codes import RulesCode
from tables.rules.roulette.payouts import RULESETS, Ruleset, payout
from tables.rules.roulette.wheel import NUMBERS, ORDER, colour

#: Half a stake of two minor units is exact, so that returns are exact under la partage too.
_EVEN_STAKE_MINOR = 2


@dataclass(frozen=True, slots=True)
class PaytableRow:
    """One line of the displayed paytable. ``returns`` is the exact theoretical return to player."""

    kind: BetKind
    example: str  # a canonical position code
    positions: int  # how many of the kind there are
    covers: int  # numbers covered
    pays_to_one: int
    returns: Fraction
    house_edge: Fraction


def description(ruleset: Ruleset) -> dict[str, object]:
    """Everything that decides a payout under ``ruleset``, as plain JSON values."""
    return {
        "game": "roulette",
        "ruleset": ruleset.name,
        "version": ruleset.version,
        "wheel": [{"number": number, "colour": str(colour(number))} for number in ORDER],
        "positions": [
            {
                "code": position.code,
                "kind": str(position.kind),
                "covers": list(position.numbers),
                "pays_to_one": position.odds,
            }
            for position in ALL_POSITIONS
        ],
        "la_partage": _la_partage(ruleset),
        "announced": {
            "neighbours_each_side_max": NEIGHBOURS_MAX,
            "chips": {
                announced.code: {position.code: count for position, count in announced.chips}
                for announced in ALL_ANNOUNCED
            },
        },
    }


def _la_partage(ruleset: Ruleset) -> dict[str, object] | None:
    if not ruleset.la_partage:
        return None
    return {
        "on": 0,
        "kinds": sorted(map(str, EVEN_MONEY)),
        "returns_of_stake": "1/2",
        "odd_minor_unit_goes_to": "player",
    }


@cache
def rules_hash(ruleset: Ruleset) -> str:
    """SHA-256, in hex, of the canonical JSON description: sorted keys, no spaces, ASCII."""
    text = json.dumps(
        description(ruleset), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def ruleset_by_hash(hash_hex: str) -> Ruleset:
    """The ruleset a bet was accepted under; refuses with ``UNKNOWN_RULESET`` when we lack it."""
    for ruleset in RULESETS.values():
        if rules_hash(ruleset) == hash_hex:
            return ruleset
    raise Refused(RulesCode.UNKNOWN_RULESET, ruleset=hash_hex[:64])


def returns(ruleset: Ruleset, position: Position) -> Fraction:
    """The exact theoretical return to player of one position, by paying all 37 numbers."""
    paid = sum(payout(ruleset, position, _EVEN_STAKE_MINOR, number) for number in NUMBERS)
    return Fraction(paid, _EVEN_STAKE_MINOR * len(NUMBERS))


@cache
def paytable(ruleset: Ruleset) -> tuple[PaytableRow, ...]:
    """One row per kind of bet, in the order of ``BetKind``."""
    return tuple(_row(ruleset, kind) for kind in BetKind)


def _row(ruleset: Ruleset, kind: BetKind) -> PaytableRow:
    of_kind = [position for position in ALL_POSITIONS if position.kind is kind]
    facts = {
        (len(position.numbers), position.odds, returns(ruleset, position)) for position in of_kind
    }
    ensure(len(facts) == 1, "positions of one kind pay alike", kind=str(kind), facts=facts)
    [(covers, pays_to_one, returned)] = facts
    return PaytableRow(
        kind=kind,
        example=of_kind[0].code,
        positions=len(of_kind),
        covers=covers,
        pays_to_one=pays_to_one,
        returns=returned,
        house_edge=1 - returned,
    )

"""Announced bets: named compositions of ordinary positions, in chips of one value.

They are a way of saying several bets at once and nothing else: they expand before validation, the
limits apply to what they expand to, and only ordinary positions are ever stored and settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from kernel.invariant import ensure
from kernel.refusal import Refused
from tables.rules.roulette.bets import Position, parse_position
from tables.rules.roulette.codes import RulesCode
from tables.rules.roulette.wheel import NUMBERS, neighbours

#: How many pockets to each side a neighbours bet may take: what racetracks offer at most.
NEIGHBOURS_MAX: Final = 9


@dataclass(frozen=True, slots=True)
class Announced:
    """A named composition. Equal and hashed by ``code``; made only by this module."""

    code: str
    chips: tuple[tuple[Position, int], ...] = field(compare=False)  # each position once

    @property
    def chip_count(self) -> int:
        return sum(count for _, count in self.chips)

    def __str__(self) -> str:
        return self.code


def expand(announced: Announced, chip_minor: int) -> list[tuple[Position, int]]:
    """The ordinary stakes, in minor units, of this bet played with chips of ``chip_minor``."""
    ensure(type(chip_minor) is int and chip_minor > 0, "a chip has a value", chip=chip_minor)
    return [(position, count * chip_minor) for position, count in announced.chips]


def parse_announced(code: str) -> Announced:
    """The announced bet with this canonical code.

    ``voisins``, ``tiers``, ``orphelins``, ``jeu_zero``, ``neighbours:17:2`` (number, pockets to
    each side), ``finale:4`` (straight up on every number ending in 4), ``finale_cheval:4-7``
    (splits of those with the number three higher). Refuses with ``UNKNOWN_ANNOUNCED``.
    """
    try:
        return _BY_CODE[code]
    except KeyError:
        raise Refused(RulesCode.UNKNOWN_ANNOUNCED, announced=code[:48]) from None


def _of(code: str, positions: Iterable[str]) -> Announced:
    counts: dict[Position, int] = {}
    for text in positions:
        position = parse_position(text)
        counts[position] = counts.get(position, 0) + 1
    return Announced(code, tuple(counts.items()))


def _splits(*pairs: str) -> list[str]:
    return [f"split:{pair}" for pair in pairs]


#: The wheel's 17 pockets from 22 to 25 around zero: 9 chips, two of them on 0-2-3 and on 25-29.
VOISINS: Final = _of(
    "voisins",
    [
        *(["trio:0-2-3"] * 2),
        *_splits("4-7", "12-15", "18-21", "19-22", "32-35"),
        *(["corner:25-26-28-29"] * 2),
    ],
)

#: The 12 pockets from 27 to 33 opposite zero: 6 chips.
TIERS: Final = _of("tiers", _splits("5-8", "10-11", "13-16", "23-24", "27-30", "33-36"))

#: The 8 pockets that the two leave: 5 chips; 17 is covered twice.
ORPHELINS: Final = _of("orphelins", ["straight:1", *_splits("6-9", "14-17", "17-20", "31-34")])

#: The 7 pockets from 12 to 15 nearest to zero: 4 chips.
JEU_ZERO: Final = _of("jeu_zero", [*_splits("0-3", "12-15"), "straight:26", "split:32-35"])


def _neighbours(number: int, each_side: int) -> Announced:
    return _of(
        f"neighbours:{number}:{each_side}",
        [f"straight:{covered}" for covered in neighbours(number, each_side)],
    )


def _finale(digit: int) -> Announced:
    return _of(f"finale:{digit}", [f"straight:{number}" for number in range(digit, 37, 10)])


def _finale_cheval(digit: int) -> Announced:
    """Numbers ending in ``digit``, each with the one below it on the cloth (three higher).

    34, 35 and 36 have none below and take their chip straight up, as published rules of French
    tables have it: 4/7 is 4-7, 14-17, 24-27 and 34. Hence four chips up to 6/9 and three after.
    """
    chips = [
        f"split:{number}-{number + 3}" if number + 3 <= 36 else f"straight:{number}"
        for number in range(digit, 37, 10)
    ]
    return _of(f"finale_cheval:{digit}-{digit + 3}", chips)


#: Every announced bet there is, in a fixed order (part of the hashed description of the rules).
ALL_ANNOUNCED: Final = (
    VOISINS,
    TIERS,
    ORPHELINS,
    JEU_ZERO,
    *(_finale(digit) for digit in range(10)),
    *(_finale_cheval(digit) for digit in range(10)),
    *(_neighbours(number, k) for number in NUMBERS for k in range(NEIGHBOURS_MAX + 1)),
)

_BY_CODE: Final = {announced.code: announced for announced in ALL_ANNOUNCED}

"""Every legal position on the European layout, its canonical code and what it pays.

The layout has twelve rows of three: row ``r`` holds ``3r+1, 3r+2, 3r+3``; the columns are those
numbers read down; zero lies across the top and touches 1, 2 and 3. All positions are made here
from that geometry, once, and looked up by code: there is no way to name a position that the cloth
does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final

from kernel.refusal import Refused
from tables.rules.roulette.codes import RulesCode
from tables.rules.roulette.wheel import BLACKS, NUMBERS, REDS


class BetKind(StrEnum):
    """The kinds of position, smallest cover first."""

    STRAIGHT = "straight"
    SPLIT = "split"
    STREET = "street"
    TRIO = "trio"
    CORNER = "corner"
    FIRST_FOUR = "first_four"
    SIX_LINE = "six_line"
    COLUMN = "column"
    DOZEN = "dozen"
    RED = "red"
    BLACK = "black"
    EVEN = "even"
    ODD = "odd"
    LOW = "low"
    HIGH = "high"


#: What one unit wins on top of its own return: the standard European table. Each is
#: ``36 / numbers covered − 1``, which is where the single edge of 1/37 comes from.
PAYS_TO_ONE: Final = {
    BetKind.STRAIGHT: 35,
    BetKind.SPLIT: 17,
    BetKind.STREET: 11,
    BetKind.TRIO: 11,
    BetKind.CORNER: 8,
    BetKind.FIRST_FOUR: 8,
    BetKind.SIX_LINE: 5,
    BetKind.COLUMN: 2,
    BetKind.DOZEN: 2,
    BetKind.RED: 1,
    BetKind.BLACK: 1,
    BetKind.EVEN: 1,
    BetKind.ODD: 1,
    BetKind.LOW: 1,
    BetKind.HIGH: 1,
}

#: The chances that la partage is about.
EVEN_MONEY: Final = frozenset(
    {BetKind.RED, BetKind.BLACK, BetKind.EVEN, BetKind.ODD, BetKind.LOW, BetKind.HIGH}
)

_ROWS: Final = 12


@dataclass(frozen=True, slots=True)
class Position:
    """One place on the cloth. Equal and hashed by ``code``; made only by this module."""

    code: str
    kind: BetKind = field(compare=False)
    numbers: tuple[int, ...] = field(compare=False)  # ascending

    @property
    def odds(self) -> int:
        """What one unit wins, besides being returned."""
        return PAYS_TO_ONE[self.kind]

    def covers(self, number: int) -> bool:
        return number in self.numbers

    def __str__(self) -> str:
        return self.code


def _dashed(kind: BetKind, numbers: Iterable[int]) -> Position:
    ordered = tuple(sorted(numbers))
    return Position(f"{kind}:{'-'.join(map(str, ordered))}", kind, ordered)


def _row(row: int) -> tuple[int, int, int]:
    return 3 * row + 1, 3 * row + 2, 3 * row + 3


def _inside() -> Iterator[Position]:
    for number in NUMBERS:
        yield _dashed(BetKind.STRAIGHT, [number])
    for number in _row(0):
        yield _dashed(BetKind.SPLIT, [0, number])
    for row in range(_ROWS):
        yield from (_dashed(BetKind.SPLIT, pair) for pair in pairwise(_row(row)))
        if row + 1 < _ROWS:
            yield from (_dashed(BetKind.SPLIT, [number, number + 3]) for number in _row(row))
    for row in range(_ROWS):
        yield _dashed(BetKind.STREET, _row(row))
    yield _dashed(BetKind.TRIO, [0, 1, 2])
    yield _dashed(BetKind.TRIO, [0, 2, 3])
    for row in range(_ROWS - 1):
        for left, right in pairwise(_row(row)):
            yield _dashed(BetKind.CORNER, [left, right, left + 3, right + 3])
    yield Position("first_four", BetKind.FIRST_FOUR, (0, 1, 2, 3))
    for row in range(_ROWS - 1):
        numbers = (*_row(row), *_row(row + 1))
        yield Position(f"six_line:{numbers[0]}-{numbers[-1]}", BetKind.SIX_LINE, numbers)


def _outside() -> Iterator[Position]:
    for column in (1, 2, 3):
        yield Position(f"column:{column}", BetKind.COLUMN, tuple(range(column, 37, 3)))
    for dozen in (1, 2, 3):
        numbers = tuple(range(12 * dozen - 11, 12 * dozen + 1))
        yield Position(f"dozen:{dozen}", BetKind.DOZEN, numbers)
    for kind, covered in (
        (BetKind.RED, REDS),
        (BetKind.BLACK, BLACKS),
        (BetKind.EVEN, range(2, 37, 2)),
        (BetKind.ODD, range(1, 37, 2)),
        (BetKind.LOW, range(1, 19)),
        (BetKind.HIGH, range(19, 37)),
    ):
        yield Position(str(kind), kind, tuple(sorted(covered)))


#: Every legal position, in a fixed order (it is part of the hashed description of the rules).
ALL_POSITIONS: Final = (*_inside(), *_outside())

_BY_CODE: Final = {position.code: position for position in ALL_POSITIONS}


def parse_position(code: str) -> Position:
    """The position with exactly this canonical code, e.g. ``split:14-17``.

    One spelling per position, so that stored codes compare as text. Refuses with
    ``UNKNOWN_POSITION`` (data: ``position``).
    """
    try:
        return _BY_CODE[code]
    except KeyError:
        raise Refused(RulesCode.UNKNOWN_POSITION, position=code[:48]) from None

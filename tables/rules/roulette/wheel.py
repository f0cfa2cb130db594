"""The European wheel: 37 pockets, their order on the rotor and their colours."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from kernel.invariant import ensure

#: The pockets clockwise from zero: the single-zero order that every European wheel has.
ORDER: Final = (
    0, 32, 15, 19, 4, 21, 2, 25, 17, 34, 6, 27, 13, 36, 11, 30, 8, 23, 10,
    5, 24, 16, 33, 1, 20, 14, 31, 9, 22, 18, 29, 7, 28, 12, 35, 3, 26,
)  # fmt: skip

NUMBERS: Final = tuple(range(37))

REDS: Final = frozenset({1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36})
BLACKS: Final = frozenset(NUMBERS) - REDS - {0}

_PLACE: Final = {number: place for place, number in enumerate(ORDER)}


class Colour(StrEnum):
    """The colour of a pocket."""

    RED = "red"
    BLACK = "black"
    GREEN = "green"


def colour(number: int) -> Colour:
    """The colour of the pocket ``number``; anything but 0 to 36 is a bug."""
    ensure(number in _PLACE, "the wheel has this number", number=number)
    if number == 0:
        return Colour.GREEN
    return Colour.RED if number in REDS else Colour.BLACK


def neighbours(number: int, each_side: int) -> tuple[int, ...]:
    """``number`` with ``each_side`` pockets to its left and right, in wheel order (clockwise)."""
    ensure(number in _PLACE, "the wheel has this number", number=number)
    ensure(0 <= each_side <= 18, "neighbours do not overlap", each_side=each_side)
    at = _PLACE[number]
    return tuple(ORDER[place % len(ORDER)] for place in range(at - each_side, at + each_side + 1))

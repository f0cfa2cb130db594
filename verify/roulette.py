"""European roulette, written a second time: what a stake returns when a number falls.

Nothing is listed here but geometry. A position is the numbers it covers; a winner is paid
36 / numbers covered for each unit, its stake included, which is the whole paytable.
"""

from __future__ import annotations

#: The rules a bet may have been accepted under, by the hash that players are shown: whether zero
#: returns half of an even-money stake (la partage, an odd minor unit to the player).
RULES = {
    "4d2000eb652af831a6b8b3ca61e0cd4be3c9b6713f25e10299014c93d58ef149": False,
    "af325de44527a5a1fcd807309a0489f826a3cb6219378c772ba548cf5dca12c9": True,
}
_REDS = {1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36}
_EVEN_MONEY = {
    "red": _REDS,
    "black": set(range(1, 37)) - _REDS,
    "even": set(range(2, 37, 2)),
    "odd": set(range(1, 37, 2)),
    "low": set(range(1, 19)),
    "high": set(range(19, 37)),
}


def returned(rules: str, position: str, stake: int, number: int) -> int:
    """Minor units that come back, the stake included; ``ValueError`` for no position."""
    numbers = covered(position)
    if number in numbers:
        return stake * 36 // len(numbers)
    if number == 0 and RULES[rules] and position in _EVEN_MONEY:
        return (stake + 1) // 2
    return 0


def covered(position: str) -> set[int]:
    """The numbers of a position; ``ValueError`` where the cloth has no such place."""
    if position in _EVEN_MONEY:
        return _EVEN_MONEY[position]
    if position == "first_four":
        return {0, 1, 2, 3}
    kind, _, rest = position.partition(":")
    named = [int(one) for one in rest.split("-")]
    if kind == "column" and named in ([1], [2], [3]):
        return set(range(named[0], 37, 3))
    if kind == "dozen" and named in ([1], [2], [3]):
        return set(range(12 * named[0] - 11, 12 * named[0] + 1))
    if kind == "six_line" and len(named) == 2 and named[1] == named[0] + 5:
        named = list(range(named[0], named[1] + 1))
    if named != sorted(set(named)) or not set(named) <= set(range(37)):
        raise ValueError(f"{position!r} is no position")
    if not _lies_so(kind, named):
        raise ValueError(f"{position!r} is no position")
    return set(named)


def _lies_so(kind: str, named: list[int]) -> bool:
    """Whether these numbers (ascending) lie on the cloth as ``kind`` says: rows of three."""
    first, steps = named[0], [one - named[0] for one in named]
    begins_row = first % 3 == 1
    if kind == "straight":
        return len(named) == 1
    if kind == "split":
        beside = steps == [0, 1] and first % 3 != 0
        return named in ([0, 1], [0, 2], [0, 3]) or (first > 0 and (beside or steps == [0, 3]))
    if kind == "street":
        return begins_row and steps == [0, 1, 2]
    if kind == "trio":
        return named in ([0, 1, 2], [0, 2, 3])
    if kind == "corner":
        return first % 3 != 0 and first > 0 and steps == [0, 1, 3, 4]
    return kind == "six_line" and begins_row and steps == [0, 1, 2, 3, 4, 5]

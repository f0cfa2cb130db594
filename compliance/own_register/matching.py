"""Whether two accounts are one person's: name, birth, browser, instrument. Pure.

Names are compared as against sanctions lists (`compliance.screening`). Being sure takes the same
date of birth and the same words, in any order, script or accent, middle names aside. Twins share a
birth, nearly a name and the family's computer, so a word that is only alike makes a likeness that
an officer looks at, whatever else is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from compliance.screening.matching import ESCALATE, Listed, Match, compare
from compliance.screening.matching import Person as Compared
from compliance.screening.names import Name

#: Words two names must share where one of them has more.
WORDS_SHARED: Final = 2
#: How letters that German writes in two ways are compared.
_DIGRAPHS: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"))


class Birth(StrEnum):
    """How two dates of birth stand to each other."""

    SAME = "same"
    NEAR = "near"
    OTHER = "other"


class Verdict(StrEnum):
    """What comes of it."""

    SAME = "same"
    ALIKE = "alike"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of somebody: each name they go by, and when they were born."""

    names: tuple[Name, ...]
    born: date


@dataclass(frozen=True, slots=True)
class Likeness:
    """A verdict and what makes it. Scores in thousandths, 0 where only the browser is shared."""

    verdict: Verdict
    score: int
    name_score: int
    birth: Birth
    by_browser: bool
    by_instrument: bool


def judge(
    one: Known, other: Known, *, by_browser: bool = False, by_instrument: bool = False
) -> Likeness | None:
    """The likeness of two people, or None where there is none to speak of."""
    birth = births(one.born, other.born)
    found = _best(one, other, birth)
    linked = by_browser or by_instrument
    if birth is Birth.SAME and any(same_words(a, b) for a in one.names for b in other.names):
        verdict = Verdict.SAME
    elif linked or (found is not None and (birth is Birth.SAME or found.score >= ESCALATE)):
        verdict = Verdict.ALIKE
    else:
        return None
    score, name_score = (found.score, found.name_score) if found else (0, 0)
    return Likeness(verdict, score, name_score, birth, by_browser, by_instrument)


def births(one: date, other: date) -> Birth:
    """Near: day and month swapped, or two of day, month and year the same: a slip of the pen."""
    if one == other:
        return Birth.SAME
    alike = (one.year == other.year) + (one.month == other.month) + (one.day == other.day)
    swapped = one.year == other.year and (one.month, one.day) == (other.day, other.month)
    return Birth.NEAR if swapped or alike == 2 else Birth.OTHER


def same_words(one: Name, other: Name) -> bool:
    """Whether the names have the same words, or one has all of the other's two or more."""
    mine, theirs = folded(one), folded(other)
    if not mine or not theirs:
        return False
    return mine == theirs or (
        (mine <= theirs or theirs <= mine) and min(len(mine), len(theirs)) >= WORDS_SHARED
    )


def _best(one: Known, other: Known, birth: Birth) -> Match | None:
    """The best match over all their names; another birth speaks against it, a near one neither."""
    listed_births = () if birth is Birth.NEAR else (other.born.isoformat(),)
    matches = [
        compare(Compared(name, one.born, ""), Listed(listed, listed_births, ()))
        for name in one.names
        for listed in other.names
    ]
    return max((one for one in matches if one), key=lambda match: match.score, default=None)


def folded(name: Name) -> set[str]:
    """The words of a name as `same_words` compares them."""
    return {_fold(word) for word in name.tokens}


def _fold(word: str) -> str:
    for two, single in _DIGRAPHS:
        word = word.replace(two, single)
    return word

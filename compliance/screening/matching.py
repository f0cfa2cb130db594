"""How alike a person and a listed one are: the name first, then birth and country. Pure.

Scores are whole thousandths. A score of `CANDIDATE` is looked at by an officer, one of `ESCALATE`
by two, and the player's account rests until they have decided.

The name is Jaro-Winkler over sorted words, so word order does not matter; or, where that is more,
each word of the shorter name beside its likest in the longer (`aligned`), since lists give second
names and patronymics that a player leaves out. It alone is too generous where one letter makes
another person (Maria, Mario): words that are nearly alike but not the same cost `NEAR_WORD`, unless
the date of birth speaks for it. Birth and country then add or take away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from rapidfuzz.distance import JaroWinkler

from compliance.screening.names import Name

#: What a score means depends on these rules: stored with every check, raised with every change.
MATCHER: Final = "m2"

CANDIDATE: Final = 850
ESCALATE: Final = 950
#: Beneath this the name alone ends it, whatever else agrees: nothing below adds more than 50.
NAME_LEAST: Final = 800
NEAR_WORD: Final = 50
#: Two words are spellings of one at this likeness; beneath it the names are not aligned at all.
WORD_LEAST: Final = 850
#: Words that only the longer name has: the first makes a sure hit take the birth too, more of them
#: say little else, and never so much that an agreeing birth would not be sure.
FIRST_WORD_MORE: Final = 60
EACH_WORD_MORE: Final = 10
WORDS_MORE_AT_MOST: Final = 90
BIRTH_AGREES: Final = 40
BIRTH_DIFFERS: Final = 130
COUNTRY_AGREES: Final = 10
COUNTRY_DIFFERS: Final = 20
#: Lists give years loosely ("circa"): a year beside is not a contradiction.
YEARS_APART: Final = 1
#: One word alone (a first name, a nickname) is too little to be sure of anybody.
ONE_WORD: Final = 100


class Level(StrEnum):
    """How many people a hit takes."""

    CANDIDATE = "candidate"
    ESCALATE = "escalate"


class Agreement(StrEnum):
    """What one fact says."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is compared."""

    name: Name
    born: date | None
    country: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One name of an entry. ``births`` are ``YYYY-MM-DD`` or ``YYYY``; ``countries`` alpha-2."""

    name: Name
    births: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A score of at least `CANDIDATE`, and what it is made of."""

    score: int
    name_score: int
    birth: Agreement
    country: Agreement

    @property
    def level(self) -> Level:
        return Level.ESCALATE if self.score >= ESCALATE else Level.CANDIDATE


def likeness(one: str, other: str) -> int:
    """Jaro-Winkler of two texts in thousandths, rounded down."""
    return int(JaroWinkler.similarity(one, other) * 1000 + 1e-9)


def aligned(one: Name, other: Name) -> int:
    """How alike the words of the shorter name are to their likest in the longer, each taken once,
    less what the longer has besides. 0 where a word finds none, or the shorter is a single word.
    """
    short, long = sorted((one.tokens, other.tokens), key=len)
    if len(short) < 2:
        return 0
    rest, unequal, total = list(long), [], 0
    for word in short:
        if word in rest:
            rest.remove(word)
            total += 1000
        else:
            unequal.append(word)
    for word in unequal:
        score, likest = max((likeness(word, each), each) for each in rest)
        if score < WORD_LEAST:
            return 0
        rest.remove(likest)
        total += score
    more = FIRST_WORD_MORE + EACH_WORD_MORE * (len(rest) - 1) if rest else 0
    return total // len(short) - min(more, WORDS_MORE_AT_MOST)


def compare(person: Person, listed: Listed) -> Match | None:
    """The match, or None beneath `CANDIDATE`."""
    name_score = max(
        likeness(person.name.text, listed.name.text), aligned(person.name, listed.name)
    )
    if name_score < NAME_LEAST:
        return None
    birth = birth_agreement(person.born, listed.births)
    country = _country_agreement(person.country, listed.countries)
    score = name_score
    if birth is not Agreement.AGREES and _has_near_word(person.name, listed.name):
        score -= NEAR_WORD
    if min(len(person.name.tokens), len(listed.name.tokens)) == 1:
        score -= ONE_WORD
    score += {Agreement.AGREES: BIRTH_AGREES, Agreement.DIFFERS: -BIRTH_DIFFERS}.get(birth, 0)
    score += {Agreement.AGREES: COUNTRY_AGREES, Agreement.DIFFERS: -COUNTRY_DIFFERS}.get(country, 0)
    if score < CANDIDATE:
        return None
    return Match(min(score, 1000), name_score, birth, country)


def birth_agreement(born: date | None, births: tuple[str, ...]) -> Agreement:
    """A full date must be the same, or day and month swapped; a year may be one off."""
    if born is None or not births:
        return Agreement.UNKNOWN
    swapped = f"{born.year:04}-{born.day:02}-{born.month:02}"
    for one in births:
        if len(one) == 10:
            if one in {born.isoformat(), swapped}:
                return Agreement.AGREES
        elif abs(int(one) - born.year) <= YEARS_APART:
            return Agreement.AGREES
    return Agreement.DIFFERS


def _country_agreement(country: str, countries: tuple[str, ...]) -> Agreement:
    if not country or not countries:
        return Agreement.UNKNOWN
    return Agreement.AGREES if country in countries else Agreement.DIFFERS


def _has_near_word(one: Name, other: Name) -> bool:
    """Whether words are left on both sides after the equal ones are taken away."""
    mine, theirs = list(one.tokens), list(other.tokens)
    for word in one.tokens:
        if word in theirs:
            mine.remove(word)
            theirs.remove(word)
    return bool(mine and theirs)

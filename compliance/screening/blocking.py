"""An index over listed names, so that a person is compared with hundreds and not with all. Pure.

A pair is compared when one word of each begins alike (three letters) or has the same consonants in
the same order, and word by word when two words of the person do so. What that misses of comparing
all with all is measured by `bin/bench screening`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import JaroWinkler

from compliance.screening.matching import (
    BIRTH_DIFFERS,
    CANDIDATE,
    COUNTRY_AGREES,
    NAME_LEAST,
    YEARS_APART,
    Listed,
    Match,
    Person,
    compare,
)
from compliance.screening.names import Name

PREFIX: Final = 3
CONSONANTS: Final = 4
#: Whoever was born in another year is a candidate by a name that is nearly the same alone.
NAME_IF_BORN_ELSE: Final = CANDIDATE + BIRTH_DIFFERS - COUNTRY_AGREES
_VOWELS: Final = frozenset("aeiouyhw")


def keys(name: Name) -> set[str]:
    """Under what a name is found."""
    return {key for word in name.tokens for key in _keys_of(word)}


def _keys_of(word: str) -> tuple[str, str]:
    return word[:PREFIX], "." + skeleton(word)


def skeleton(word: str) -> str:
    """The first consonants of a word, no letter twice in a row; the word itself without any."""
    kept: list[str] = []
    for letter in word:
        if letter not in _VOWELS and (not kept or kept[-1] != letter):
            kept.append(letter)
    return "".join(kept[:CONSONANTS]) if len(kept) > 1 else word


def _years(births: tuple[str, ...]) -> frozenset[int]:
    """The years in which somebody may have been born for a birth to agree."""
    found = {int(one[:4]) for one in births}
    return frozenset(
        year + apart for year in found for apart in range(-YEARS_APART, YEARS_APART + 1)
    )


class NameIndex:
    """Listed names by key. Built once per set of lists; reads only afterwards."""

    def __init__(self, listed: Iterable[Listed]) -> None:
        self._listed: list[Listed] = []
        self._texts: list[str] = []
        self._years: list[frozenset[int]] = []
        self._buckets: dict[str, array[int]] = {}
        for one in listed:
            if not one.name:
                continue
            place = len(self._listed)
            self._listed.append(one)
            self._texts.append(one.name.text)
            self._years.append(_years(one.births))
            for key in keys(one.name):
                self._buckets.setdefault(key, array("l")).append(place)

    def __len__(self) -> int:
        return len(self._listed)

    def matches(self, person: Person) -> Iterator[tuple[Listed, Match]]:
        """Every listed name under one of the person's keys that is at least a candidate."""
        if not person.name:
            return
        once: set[int] = set()
        twice: set[int] = set()
        for word in person.name.tokens:
            under: set[int] = set()
            for key in _keys_of(word):
                under.update(self._buckets.get(key, ()))
            twice |= once & under
            once |= under
        yield from self._among(person, sorted(once), twice)

    def matches_of_all(self, person: Person) -> Iterator[tuple[Listed, Match]]:
        """The same without the index: what `matches` is measured against."""
        everywhere = range(len(self._listed))
        yield from self._among(person, everywhere, set(everywhere))

    def _among(
        self, person: Person, places: Sequence[int], by_word: set[int]
    ) -> Iterator[tuple[Listed, Match]]:
        """Matches among what is alike as a whole, and among ``by_word`` whatever the whole is."""
        alike = process.extract(
            person.name.text,
            [self._texts[place] for place in places],
            scorer=JaroWinkler.similarity,
            processor=None,
            score_cutoff=NAME_LEAST / 1000,
            limit=None,
        )
        born = person.born.year if person.born is not None else None
        for _text, score, at in alike:
            years = self._years[places[at]]
            is_else = born is not None and years and born not in years
            if not is_else or score * 1000 >= NAME_IF_BORN_ELSE:
                by_word.add(places[at])
        for place in sorted(by_word):
            listed = self._listed[place]
            match = compare(person, listed)
            if match is not None:
                yield listed, match

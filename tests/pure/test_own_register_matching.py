"""When two accounts are one person's: spelling, order, accents, slips of the pen, twins."""

from __future__ import annotations

from datetime import date

import pytest

from compliance.own_register.matching import Birth, Known, births, judge
from compliance.screening.names import normal

BORN = date(1985, 3, 12)


def verdict(one: str, other: str, born: date = BORN, **links) -> str | None:
    known = [
        Known((normal(name),) if name else (), day) for name, day in ((one, BORN), (other, born))
    ]
    found = judge(known[0], known[1], **links)
    return None if found is None else found.verdict.value


@pytest.mark.feature("F102")
@pytest.mark.parametrize(
    "written",
    [
        "Jürgen Müller",
        "MÜLLER, Jürgen",
        "Juergen Mueller",
        "jurgen muller",
        "Dr. Jürgen Müller",
        "Jürgen Karl Müller",
    ],
)
def test_the_same_words_and_birth_are_the_same_person(written):
    assert verdict("Jürgen Müller", written) == "same"


@pytest.mark.parametrize("written", ["Jurgen Miller", "Jurgen Mullor", "Jorgen Müller"])
def test_a_word_that_is_only_alike_is_looked_at(written):
    assert verdict("Jürgen Müller", written) == "alike"


def test_twins_are_looked_at_and_not_refused():
    assert verdict("Maria Garcia", "Mario Garcia") == "alike"


@pytest.mark.parametrize("born", [date(1985, 12, 3), date(1985, 3, 21), date(1986, 3, 12)])
def test_a_slip_in_the_birth_is_looked_at(born):
    assert verdict("Jürgen Müller", "Müller Jürgen", born) == "alike"


def test_another_birth_or_another_name_is_somebody_else():
    assert verdict("Jürgen Müller", "Jürgen Müller", date(1970, 7, 7)) is None
    assert verdict("Jürgen Müller", "Sofia Rossi") is None


@pytest.mark.feature("F102")
def test_a_shared_browser_or_instrument_makes_somebody_looked_at_and_never_the_same():
    for link in ("by_browser", "by_instrument"):
        assert verdict("Jürgen Müller", "Sofia Rossi", date(1970, 7, 7), **{link: True}) == "alike"
        assert verdict("Jürgen Müller", "Jurgen Mullor", **{link: True}) == "alike"
        assert verdict("Maria Garcia", "Mario Garcia", **{link: True}) == "alike"
        assert verdict("", "", **{link: True}) == "alike"


def test_nobody_without_a_name_is_the_same_as_anybody():
    assert verdict("", "") is None
    assert verdict("Müller", "Jürgen Müller") is None


def test_births():
    assert births(BORN, BORN) is Birth.SAME
    assert births(BORN, date(1985, 12, 3)) is Birth.NEAR
    assert births(BORN, date(1958, 3, 12)) is Birth.NEAR
    assert births(BORN, date(1958, 3, 13)) is Birth.OTHER

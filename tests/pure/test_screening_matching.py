"""Whose name is whose: normalised, compared, and weighed with birth and country."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.screening.blocking import NameIndex
from compliance.screening.entries import births, country_code
from compliance.screening.matching import (
    CANDIDATE,
    ESCALATE,
    Agreement,
    Level,
    Listed,
    Person,
    compare,
    likeness,
)
from compliance.screening.names import normal

pytestmark = pytest.mark.feature("F112")


def match(mine, theirs, *, born=None, births=(), country="", countries=()):
    return compare(Person(normal(mine), born, country), Listed(normal(theirs), births, countries))


def test_the_order_of_words_does_not_hide_anybody():
    assert likeness("vladimir putin", "putin vladimir") < CANDIDATE  # as it would be unsorted
    found = match("Vladimir Putin", "Putin Vladimir")
    assert (found.score, found.level) == (1000, Level.ESCALATE)


def test_one_letter_makes_another_person_unless_the_birth_agrees():
    assert likeness("garcia maria", "garcia mario") >= ESCALATE  # the name alone would be sure
    alone = match("Maria Garcia", "Mario Garcia")
    assert (alone.score, alone.level) == (916, Level.CANDIDATE)
    born = date(1970, 5, 1)
    assert match("Maria Garcia", "Mario Garcia", born=born, births=("1982-05-01",)) is None
    same = match("Maria Garcia", "Mario Garcia", born=born, births=("1970-05-01",))
    assert (same.level, same.birth) == (Level.ESCALATE, Agreement.AGREES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Владимир Путин", "PUTIN, Vladimir"),
        ("José Muñoz", "MUNOZ, Jose"),
        ("Séan O’Brien", "OBRIEN, Sean"),
        ("Dr. Łukasz Żółć-Nowak", "NOWAK ZOLC, Lukasz"),
        ("Jean-Luc Picard", "picard jean luc"),
        ("ﬁnn Straße", "STRASSE, Finn"),
    ],
)
def test_scripts_accents_hyphens_and_titles_are_one_name(one, other):
    assert normal(one) == normal(other)
    assert match(one, other).score == 1000


SHORTENED = [
    ("Igor Sechin", "SECHIN, Igor Ivanovich"),
    ("Joaquin Guzman", "GUZMAN LOERA, Joaquin Archivaldo"),
    ("Usama bin Ladin", "BIN LADIN, Usama bin Muhammad bin Awad"),
    ("Saddam Hussein", "HUSSEIN AL-TIKRITI, Saddam"),
    ("Igor Ivanovich Sechin", "SECHIN, Igor"),
]


@pytest.mark.parametrize(("mine", "theirs"), SHORTENED)
def test_who_leaves_out_their_other_names_is_found_and_sure_with_the_birth(mine, theirs):
    assert likeness(normal(mine).text, normal(theirs).text) < CANDIDATE  # the whole would miss it
    born, other = date(1957, 3, 10), date(1990, 2, 28)
    assert match(mine, theirs).level is Level.CANDIDATE
    assert match(mine, theirs, born=born, births=("1957-03-10",)).level is Level.ESCALATE
    assert match(mine, theirs, born=other, births=("1957-03-10",)) is None
    index = NameIndex([Listed(normal(theirs), ("1957-03-10",))])
    ((_, found),) = index.matches(Person(normal(mine), born, ""))
    assert found.level is Level.ESCALATE


def test_a_word_that_is_spelled_otherwise_first_is_found_beside_the_same_one():
    found = match("Hanna Berg", "BERG, Anna")
    assert (found.score, found.level) == (916, Level.CANDIDATE)
    assert match("Igor Sechin", "SECHIN, Oleg Ivanovich") is None
    assert match("Maria", "GARCIA, Maria Jose") is None


def test_the_same_name_born_in_another_year_is_no_sure_hit():
    born = date(1990, 2, 28)
    found = match("Juan Perez", "PEREZ, Juan", born=born, births=("1951-03-03",))
    assert (found.score, found.level, found.birth) == (870, Level.CANDIDATE, Agreement.DIFFERS)
    far = match(
        "Juan Perez", "PERES, Juan", born=born, births=("1951",), country="MT", countries=("CO",)
    )
    assert far is None


@pytest.mark.parametrize(
    ("listed", "agrees"),
    [
        (("1990-02-28",), Agreement.AGREES),
        (("1990-02-27",), Agreement.DIFFERS),
        (("1991",), Agreement.AGREES),
        (("1993",), Agreement.DIFFERS),
        (("1950", "1990"), Agreement.AGREES),
        ((), Agreement.UNKNOWN),
    ],
)
def test_a_date_is_the_date_and_a_year_may_be_one_off(listed, agrees):
    assert match("Anna Berg", "Anna Berg", born=date(1990, 2, 28), births=listed).birth == agrees


def test_day_and_month_swapped_are_the_same_birth():
    found = match("Anna Berg", "Anna Berg", born=date(1990, 3, 4), births=("1990-04-03",))
    assert found.birth is Agreement.AGREES


def test_a_single_word_is_never_sure_of_anybody():
    assert match("Maria", "Maria").level is Level.CANDIDATE
    assert match("", "Maria") is None


def test_names_that_only_begin_alike_are_nobody():
    assert match("Anna Berg", "Anton Berger") is None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("07 Oct 1952", ["1952-10-07"]),
        ("1952-10-07", ["1952-10-07"]),
        ("circa 1952", ["1952"]),
        ("1950 to 1953", ["1950", "1951", "1952", "1953"]),
        ("Oct 1952", ["1952"]),
        ("unknown", []),
    ],
)
def test_births_are_read_as_lists_write_them(written, found):
    assert births(written) == found


def test_countries_are_read_by_name_or_code():
    assert [country_code(one) for one in ("Russia", "de", "Korea, North", "Atlantis")] == [
        "RU",
        "DE",
        "KP",
        "",
    ]


@given(st.text(max_size=400))
def test_any_text_has_a_normal_name_that_stays_itself(text):
    once = normal(text)
    assert normal(once.text) == once
    assert once.text.isascii()
    assert list(once.tokens) == sorted(once.tokens)


def test_the_index_finds_what_comparing_all_finds():
    names = ["Ivan Petrov", "Petrova Irina", "Ivan Petroff", "Kim Jong Un", "Joan Miro", "Lee Ann"]
    index = NameIndex([Listed(normal(name)) for name in names])
    person = Person(normal("PETROV Ivan"), None, "")
    by_index = sorted(listed.name.text for listed, _ in index.matches(person))
    assert by_index == sorted(listed.name.text for listed, _ in index.matches_of_all(person))
    assert by_index == ["ivan petroff", "ivan petrov"]


@pytest.mark.parametrize("name", ["Ivan Petrov", "Ivan Petroff", "Iwan Petrow", "Petrov"])
@pytest.mark.parametrize("births", [(), ("1970",), ("1971",), ("1972",), ("1970-05-01",)])
def test_the_index_leaves_out_nobody_whom_comparing_finds(name, births):
    listed = Listed(normal("Petrov Ivan"), births, ("RU",))
    index = NameIndex([listed])
    for born in (date(1970, 1, 5), date(1970, 5, 1), date(1985, 1, 1), None):
        for country in ("RU", "MT", ""):
            person = Person(normal(name), born, country)
            found = [match for _, match in index.matches(person)]
            assert found == [one for one in [compare(person, listed)] if one is not None]

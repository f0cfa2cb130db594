"""What registers' facts look like, and whose they can be."""

from __future__ import annotations

from datetime import date

import pytest

from compliance.jurisdictions import profile
from compliance.registries.protocol import Fact
from compliance.registries.shapes import lacking, taken
from kernel.refusal import Refused

TODAY = date(2026, 11, 27)
BORN = date(1990, 2, 28)
#: Made up for these tests: Luhn's digit is right, the four before it are nobody's we know of.
SWEDE = "199002282383"


def read(code: str, fact: Fact, text: str, born: date = BORN) -> str:
    try:
        return taken(profile(code, TODAY), fact, text, born)
    except Refused as refused:
        return f"! {refused.code}" if refused.data["field"] == fact.value else "! elsewhere"


@pytest.mark.feature("F103")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sw1a1aa", "SW1A 1AA"),
        (" M1  1ae ", "M1 1AE"),
        ("GIR 0AA", "GIR 0AA"),
        ("JE2 3XX", "JE2 3XX"),
        ("12345", "! fact_no_postcode"),
        ("SW1A 1A", "! fact_no_postcode"),
        ("SW1A 1AC", "! fact_no_postcode"),
        ("<script>", "! fact_no_postcode"),
        ("   ", "! fact_missing"),
        ("S" * 151, "! fact_too_long"),
    ],
)
def test_a_british_postcode_has_both_its_parts(text, kept):
    assert read("GB", Fact.POSTCODE, text) == kept


@pytest.mark.feature("F103")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (SWEDE, SWEDE),
        ("19900228-2383", SWEDE),
        ("900228-2383", SWEDE),
        ("199002282384", "! fact_no_number"),  # another last digit
        ("199002882380", "199002882380"),  # of somebody who is not registered: day + 60
        ("199001012385", "! fact_other_birth"),
        ("19900228238", "! fact_no_number"),
        ("1990 02 28 23 83 x", "! fact_no_number"),
        ("١٩٩٠٠٢٢٨٢٣٨٣", "! fact_no_number"),
    ],
)
def test_a_swedish_number_has_its_digit_and_the_accounts_birth(text, kept):
    assert read("SE", Fact.NATIONAL_NUMBER, text) == kept


@pytest.mark.feature("F103")
@pytest.mark.parametrize(
    ("text", "born", "kept"),
    [
        ("280290-1234", BORN, "2802901234"),
        ("2802901234", BORN, "2802901234"),
        ("2802905234", BORN, "! fact_other_birth"),  # the seventh digit says 1890
        ("2902041234", date(2004, 2, 29), "! fact_other_birth"),
        ("2902044234", date(2004, 2, 29), "2902044234"),
        ("0101379234", date(1937, 1, 1), "0101379234"),
        ("270290-1234", BORN, "! fact_other_birth"),
        ("28029012345", BORN, "! fact_no_number"),
        ("abcdefghij", BORN, "! fact_no_number"),
    ],
)
def test_a_danish_number_has_ten_digits_and_the_accounts_birth(text, born, kept):
    assert read("DK", Fact.NATIONAL_NUMBER, text, born) == kept


@pytest.mark.feature("F103")
def test_what_is_lacking_is_what_is_not_there_or_cannot_be_this_persons():
    gb, se, demo = (profile(code, TODAY) for code in ("GB", "SE", "DEMO"))
    every = (Fact.GIVEN_NAME, Fact.FAMILY_NAME, Fact.POSTCODE)
    assert lacking(gb, {}, BORN) == every
    known = {Fact.GIVEN_NAME: "Anna", Fact.FAMILY_NAME: "–", Fact.POSTCODE: "SW1A 1AA"}
    assert lacking(gb, known, BORN) == (Fact.FAMILY_NAME,)
    assert lacking(se, {Fact.NATIONAL_NUMBER: SWEDE}, BORN) == ()
    assert lacking(se, {Fact.NATIONAL_NUMBER: SWEDE}, date(1990, 3, 1)) == (Fact.NATIONAL_NUMBER,)
    assert lacking(demo, {}, BORN) == ()

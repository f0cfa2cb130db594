"""Machine readable zones: the standard's own specimens, wrong digits, dates at the edges."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.kyc import mrz
from compliance.kyc.mrz import Format, MrzCode
from kernel.refusal import Refused

pytestmark = pytest.mark.feature("F108")

TODAY = date(2026, 11, 27)
#: ICAO Doc 9303, the specimens of parts 4 to 7.
TD1 = (
    "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
)
TD2 = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6"
TD3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
MRV_A = "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<"
MRV_B = "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nL8988901C4XXX4009078F9612109<<<<<<<<"
LONG = (
    "I<UTOD23145890<7349<<<<<<<<<<<\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<"
)


@pytest.mark.parametrize(
    ("text", "layout", "number", "nationality", "born", "expires"),
    [
        (TD1, Format.TD1, "D23145890", "UTO", date(1974, 8, 12), date(2012, 4, 15)),
        (TD2, Format.TD2, "D23145890", "UTO", date(1974, 8, 12), date(2012, 4, 15)),
        (TD3, Format.TD3, "L898902C3", "UTO", date(1974, 8, 12), date(2012, 4, 15)),
        (MRV_A, Format.MRV_A, "L8988901C", "XXX", date(1940, 9, 7), date(1996, 12, 10)),
        (MRV_B, Format.MRV_B, "L8988901C", "XXX", date(1940, 9, 7), date(1996, 12, 10)),
    ],
)
def test_the_standards_specimens_are_read_whole(text, layout, number, nationality, born, expires):
    found = mrz.read(text, TODAY)
    assert (found.format, found.number, found.nationality) == (layout, number, nationality)
    assert (found.surname, found.given, found.issuer) == ("ERIKSSON", "ANNA MARIA", "UTO")
    assert (found.births, found.expires, found.sex) == ((born,), expires, "F")
    assert found.is_sound
    assert not found.is_corrected


def test_a_number_longer_than_nine_goes_on_in_the_optional_data():
    found = mrz.read(LONG, TODAY)
    assert (found.number, found.failed) == ("D23145890734", ())
    assert (found.surname, found.given) == ("STEVENSON", "PETER JOHN")
    assert mrz.read(LONG.replace("<7349", "<7348"), TODAY).failed == ("number", "composite")


@pytest.mark.parametrize(
    ("text", "wrong", "failed"),
    [
        (TD3, ("L898902C36", "L898903C36"), ("number", "composite")),
        (TD3, ("7408122F", "7408132F"), ("birth", "composite")),
        (TD3, ("1204159Z", "1205159Z"), ("expires", "composite")),
        (TD3, ("ZE184226B<<<<<1", "ZE184226C<<<<<1"), ("optional", "composite")),
        (TD3, ("<<<<<10", "<<<<<11"), ("composite",)),
        (TD1, ("<<<6\n", "<<<7\n"), ("composite",)),
        (TD2, ("D231458907", "D231458908"), ("number", "composite")),
        (MRV_B, ("L8988901C4", "L8988901C5"), ("number",)),
    ],
)
def test_a_wrong_digit_is_named_and_the_rest_is_still_read(text, wrong, failed):
    assert wrong[0] in text
    found = mrz.read(text.replace(*wrong), TODAY)
    assert found.failed == failed
    assert found.surname == "ERIKSSON"
    assert not found.is_sound


def test_recognised_text_is_read_through_its_usual_mistakes():
    """Small letters, spaces, guillemets for fillers, O for 0, other lines around."""
    messy = (
        "UTOPIA  passport\n p<utoeriksson«anna<maria<<<<<<<<<<<<<<<<<<<\n"
        "L898902C36UTO74O8I22F12O4159ZE184226B<<<<<1O\nsigned: A. E."
    )
    found = mrz.read(messy, TODAY)
    assert found.is_sound
    assert found.is_corrected
    assert (found.surname, found.births) == ("ERIKSSON", (date(1974, 8, 12),))


def test_a_zone_in_one_line_is_cut_where_its_layout_says():
    for text in (TD1, TD2, TD3):
        assert mrz.read(text.replace("\n", ""), TODAY) == mrz.read(text, TODAY)


def test_a_name_that_fills_its_field_is_known_to_be_cut():
    name = "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<KRASUAN"[:39]
    assert len(name) == 39
    found = mrz.read("P<UTO" + name + "\n" + TD3.splitlines()[1], TODAY)
    assert found.is_cut
    assert not mrz.read(TD3, TODAY).is_cut


@pytest.mark.parametrize(
    ("yymmdd", "dates"),
    [
        ("261127", (date(2026, 11, 27),)),  # today; 1926 would be 100, which is possible as well
        ("261128", (date(1926, 11, 28),)),  # tomorrow is the future
        ("061128", (date(2006, 11, 28),)),  # 1906 would be 119 today: possible, see below
        ("000229", (date(2000, 2, 29),)),  # 1900 had no 29 February
        ("010229", ()),
        ("991340", ()),
        ("74<<<<", ()),
    ],
)
def test_two_digit_years_are_the_latest_that_is_not_in_the_future(yymmdd, dates):
    assert mrz.births(yymmdd, TODAY)[:1] == dates


def test_both_centuries_are_kept_where_both_are_under_120():
    assert mrz.births("101010", TODAY) == (date(2010, 10, 10), date(1910, 10, 10))
    assert mrz.births("061127", TODAY) == (date(2006, 11, 27),)  # 120 today is too old
    assert mrz.births("061128", TODAY) == (date(2006, 11, 28), date(1906, 11, 28))


def test_expiry_is_ahead_by_fifty_years_at_most():
    assert mrz.expiry("761127", TODAY) == date(2076, 11, 27)
    assert mrz.expiry("770101", TODAY) == date(1977, 1, 1)
    assert mrz.expiry("280229", TODAY) == date(2028, 2, 29)
    assert mrz.expiry("270229", TODAY) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", MrzCode.EMPTY),
        ("  \n", MrzCode.EMPTY),
        ("<script>alert(1)</script>", MrzCode.NOT_A_ZONE),
        (TD3.splitlines()[0], MrzCode.NOT_A_ZONE),
        (TD3[:-1], MrzCode.NOT_A_ZONE),
        ("P" * 2_001, MrzCode.TOO_LONG),
    ],
)
def test_what_is_no_zone_is_refused_with_a_code(text, code):
    with pytest.raises(Refused) as refused:
        mrz.read(text, TODAY)
    assert refused.value.code == code


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        found: object = mrz.read(text, TODAY)
    except Refused as refused:
        found = refused.code
    assert isinstance(found, mrz.Mrz | MrzCode)


@given(
    st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<", min_size=88, max_size=88).map(
        lambda t: t[:44] + "\n" + t[44:]
    )
)
def test_any_zone_of_the_right_shape_is_read(text):
    assert mrz.read(text, TODAY).format in {Format.TD3, Format.MRV_A}


@given(st.text(alphabet="ABCXYZ0123456789<", min_size=1, max_size=40), st.data())
def test_a_changed_digit_is_always_seen(text, data):
    """7-3-1 finds every single wrong digit: 7, 3 and 1 have no factor in common with 10."""
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    if places:
        at = data.draw(st.sampled_from(places))
        other = str((int(text[at]) + data.draw(st.integers(1, 9))) % 10)
        assert mrz.check_digit(text[:at] + other + text[at + 1 :]) != mrz.check_digit(text)

"""The wheel, the cloth and the canonical codes of positions."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tables.rules.roulette import (
    ALL_POSITIONS,
    NUMBERS,
    ORDER,
    PAYS_TO_ONE,
    BetKind,
    Colour,
    RulesCode,
    colour,
    neighbours,
    parse_position,
)

# given: the counts that any description of a single-zero layout gives
COUNTS = {
    BetKind.STRAIGHT: 37,
    BetKind.SPLIT: 60,  # 24 across, 33 down, 3 with zero
    BetKind.STREET: 12,
    BetKind.TRIO: 2,
    BetKind.CORNER: 22,
    BetKind.FIRST_FOUR: 1,
    BetKind.SIX_LINE: 11,
    BetKind.COLUMN: 3,
    BetKind.DOZEN: 3,
    BetKind.RED: 1,
    BetKind.BLACK: 1,
    BetKind.EVEN: 1,
    BetKind.ODD: 1,
    BetKind.LOW: 1,
    BetKind.HIGH: 1,
}


def test_the_wheel_has_each_number_once_and_18_red_18_black_1_green_pockets():
    assert sorted(ORDER) == list(range(37))
    assert Counter(map(colour, ORDER)) == {Colour.RED: 18, Colour.BLACK: 18, Colour.GREEN: 1}


def test_colours_alternate_around_the_wheel():
    ring = [colour(number) for number in ORDER]

    assert ring[0] is Colour.GREEN
    assert ring[1::2] == [Colour.RED] * 18
    assert ring[2::2] == [Colour.BLACK] * 18


@pytest.mark.parametrize(
    ("number", "each_side", "expected"),
    [
        (0, 0, (0,)),
        (0, 2, (3, 26, 0, 32, 15)),
        (17, 3, (21, 2, 25, 17, 34, 6, 27)),
        (26, 1, (3, 26, 0)),
        (5, 2, (23, 10, 5, 24, 16)),
    ],
)
def test_neighbours_are_read_off_the_wheel(number, each_side, expected):
    assert neighbours(number, each_side) == expected


def test_nine_neighbours_to_each_side_never_overlap():
    for number in NUMBERS:
        assert len(set(neighbours(number, 9))) == 19


@pytest.mark.parametrize("number", [-1, 37, 100])
def test_a_number_off_the_wheel_is_a_bug(number):
    with pytest.raises(InvariantBroken):
        colour(number)
    with pytest.raises(InvariantBroken):
        neighbours(number, 1)


def test_the_cloth_has_157_positions_with_the_known_count_of_each_kind():
    assert len(ALL_POSITIONS) == 157
    assert Counter(position.kind for position in ALL_POSITIONS) == COUNTS


def test_codes_and_covers_are_unique_to_one_position():
    assert len({position.code for position in ALL_POSITIONS}) == 157
    assert len({position.numbers for position in ALL_POSITIONS}) == 157


@pytest.mark.parametrize(
    ("code", "kind", "numbers"),
    [
        ("straight:17", BetKind.STRAIGHT, (17,)),
        ("split:0-2", BetKind.SPLIT, (0, 2)),
        ("split:14-17", BetKind.SPLIT, (14, 17)),
        ("split:35-36", BetKind.SPLIT, (35, 36)),
        ("street:1-2-3", BetKind.STREET, (1, 2, 3)),
        ("trio:0-2-3", BetKind.TRIO, (0, 2, 3)),
        ("corner:25-26-28-29", BetKind.CORNER, (25, 26, 28, 29)),
        ("first_four", BetKind.FIRST_FOUR, (0, 1, 2, 3)),
        ("six_line:1-6", BetKind.SIX_LINE, (1, 2, 3, 4, 5, 6)),
        ("column:1", BetKind.COLUMN, (1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 34)),
        ("dozen:2", BetKind.DOZEN, (13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24)),
        ("even", BetKind.EVEN, tuple(range(2, 37, 2))),
        ("high", BetKind.HIGH, tuple(range(19, 37))),
    ],
)
def test_a_code_names_its_numbers(code, kind, numbers):
    position = parse_position(code)

    assert (position.kind, position.numbers) == (kind, numbers)


def test_every_position_parses_back_from_its_code():
    for position in ALL_POSITIONS:
        assert parse_position(position.code) is position
        assert str(position) == position.code


@pytest.mark.parametrize(
    "code",
    [
        "",
        "straight",
        "straight:37",
        "straight:-1",
        "straight:01",
        "straight:1 ",
        "split:17-14",  # one spelling only
        "split:3-4",  # end of one row, start of the next
        "split:0-4",
        "split:1-3",
        "street:2-3-4",
        "street:0-1-2",
        "trio:0-1-3",
        "corner:3-4-6-7",
        "corner:0-1-2-3",
        "six_line:2-7",
        "column:0",
        "column:4",
        "dozen:0",
        "red:1",
        "RED",
        "voisins",
        "first_four:0-1-2-3",
    ],
)
def test_a_code_that_the_cloth_does_not_have_is_refused(code):
    with pytest.raises(Refused) as refused:
        parse_position(code)

    assert refused.value.code is RulesCode.UNKNOWN_POSITION
    assert refused.value.data == {"position": code}


@given(st.text(max_size=200))
def test_any_text_is_a_known_code_or_refused(text):
    known = {position.code for position in ALL_POSITIONS}
    if text in known:
        return
    with pytest.raises(Refused) as refused:
        parse_position(text)
    assert refused.value.data == {"position": text[:48]}


def test_inside_positions_touch_on_the_cloth():
    """Checked from coordinates, not from the code that made the positions."""

    def at(number):
        return (number - 1) // 3, (number - 1) % 3

    for position in ALL_POSITIONS:
        if 0 in position.numbers or len(position.numbers) > 6:
            continue
        rows, columns = zip(*map(at, position.numbers), strict=True)
        box = (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1)
        assert box == len(position.numbers), position


def test_the_odds_follow_from_the_numbers_covered():
    for position in ALL_POSITIONS:
        assert (position.odds + 1) * len(position.numbers) == 36, position
    assert set(PAYS_TO_ONE.values()) == {35, 17, 11, 8, 5, 2, 1}


def test_outside_positions_leave_zero_out_and_partition_the_rest():
    def covered(*codes):
        return sorted(number for code in codes for number in parse_position(code).numbers)

    for codes in (
        ("red", "black"),
        ("even", "odd"),
        ("low", "high"),
        ("column:1", "column:2", "column:3"),
        ("dozen:1", "dozen:2", "dozen:3"),
    ):
        assert covered(*codes) == list(range(1, 37))

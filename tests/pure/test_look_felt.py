"""The felt, the racetrack and their words, made from the rules."""

from dataclasses import dataclass

import pytest
from django.utils import translation

from casino.templatetags import felt
from tables.phases import Phase
from tables.rules.roulette import ALL_POSITIONS, ORDER, BetKind


@dataclass
class Bet:
    code: str
    stake_minor: int
    label: str = ""
    returns_minor: int = 0
    status: str = "accepted"


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def test_the_felt_has_every_number_and_every_outside_bet_once():
    codes = [cell.code for cell in felt.felt_numbers([], "EUR") + felt.felt_outside([], "EUR")]
    assert len(codes) == len(set(codes)) == 49
    outside = {p.code for p in ALL_POSITIONS if len(p.numbers) >= 12}
    assert set(codes) == {f"straight:{n}" for n in range(37)} | outside


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("split:14-17", "Split 14 and 17"),
        ("straight:32", "Straight 32"),
        ("street:16-17-18", "Street 16 to 18"),
        ("corner:25-26-28-29", "Corner 25 26 28 29"),
        ("six_line:19-24", "Six line 19 to 24"),
        ("dozen:1", "1st dozen"),
        ("column:2", "Column 2"),
        ("black", "Black"),
        ("low", "1 to 18"),
        ("nonsense", "nonsense"),
    ],
)
def test_positions_have_names_that_can_be_said(code, name):
    assert felt.position_name(code) == name


def test_every_position_has_a_name_of_its_own():
    names = [felt.position_name(position.code) for position in ALL_POSITIONS]
    assert len(set(names)) == len(ALL_POSITIONS)


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("split:14-17", ["spot c5 k2 sc"]),
        ("split:25-26", ["spot c9 k1 h2 sk"]),
        ("corner:25-26-28-29", ["spot c9 k1 h2 sk sc"]),
        ("street:4-5-6", ["spot c2 k1 outer"]),
        ("six_line:19-24", ["spot c7 k1 h2 outer sc"]),
        ("split:0-3", ["spot zero-edge k3"]),
        ("trio:0-2-3", ["spot zero-edge k2 sk"]),
        ("split:17-20", ["spot c6 k2 sc fold-a", "spot c7 k2 h2 fold-b"]),
        ("corner:16-17-19-20", ["spot c6 k1 sk sc fold-a", "spot c7 k1 h2 sk fold-b"]),
    ],
)
def test_chips_between_numbers_have_a_place_and_the_fold_shows_both_edges(code, places):
    assert [spot.css for spot in felt.felt_spots([Bet(code, 100)], "EUR")] == places


def test_the_fold_parts_three_splits_two_corners_and_one_six_line():
    parted = [
        position.kind
        for position in ALL_POSITIONS
        if len(felt.felt_spots([Bet(position.code, 100)], "EUR")) == 2
    ]
    assert sorted(parted) == sorted([BetKind.SPLIT] * 3 + [BetKind.CORNER] * 2 + [BetKind.SIX_LINE])


def test_several_bets_on_one_position_are_one_chip_with_the_sum():
    [cell] = [
        cell
        for cell in felt.felt_outside([Bet("black", 500), Bet("black", 2000)], "EUR")
        if cell.code == "black"
    ]
    assert cell.chip == felt.Chip(2500, "25", "chip-green", won=False)


def test_a_cell_s_name_begins_with_what_the_cell_shows_or_contains_it():
    cells = felt.felt_numbers([], "EUR") + felt.felt_outside([], "EUR")
    assert [cell.code for cell in cells if cell.label not in cell.name] == []
    by_code = {cell.code: cell for cell in cells}
    assert by_code["dozen:1"].name == "1–12: 1st dozen, pays 2 to 1"
    assert by_code["red"].name == "Red, pays 1 to 1"
    assert max(len(cell.label) for cell in cells) <= 5


def test_the_sheet_of_17_lists_every_inside_bet_that_covers_it():
    rows = felt.inside_bets(17, [Bet("split:14-17", 100)], "EUR")
    kinds = [row.css for row in rows]
    assert kinds == ["straight"] + ["split"] * 4 + ["street"] + ["corner"] * 4 + ["six_line"] * 2
    assert [row.chip.stake_minor for row in rows if row.chip] == [100]


def test_the_racetrack_follows_the_wheel():
    numbers = [int(pocket.label) for pocket in felt.track_pockets(2)]
    start = ORDER.index(numbers[0])
    assert numbers == [*ORDER[start:], *ORDER[:start]]
    assert felt.track_pockets(2)[0].code == "neighbours:33:2"


def test_every_phase_has_its_own_look_word():
    assert {felt.phase_kind(phase) for phase in Phase} <= {
        "open", "last", "closed", "spin", "checking", "official", "settled", "stop", "void",
    }  # fmt: skip
    assert felt.phase_kind(None) == "idle"
    assert felt.phase_kind("of another version") == "idle"


@pytest.mark.parametrize("text", ["", None, "37", "-1", "x", "1e3", "²"])
def test_what_a_reader_types_in_the_address_is_checked(text):
    assert felt.asked_number(text) is None
    assert felt.neighbours_each(text) == 2


def test_paid_staked_and_net_belong_together():
    bets = [
        Bet("black", 500, returns_minor=1000, status="won"),
        Bet("red", 500, returns_minor=1000, status="lost"),
        Bet("even", 400, returns_minor=200, status="returned"),
    ]
    assert felt.round_summary(bets) == felt.Summary(1400, 1200, -200, 3, 1)

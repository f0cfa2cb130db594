"""What stakes return: every position over every number, as exact fractions."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tables.rules.roulette import (
    ALL_ANNOUNCED,
    ALL_POSITIONS,
    EVEN_MONEY,
    NUMBERS,
    RULESETS,
    BetKind,
    RulesCode,
    Ruleset,
    description,
    expand,
    parse_position,
    payout,
    paytable,
    returns,
    rules_hash,
    ruleset,
    ruleset_by_hash,
)

EUROPEAN = RULESETS["european"]
LA_PARTAGE = RULESETS["european-la-partage"]

positions = st.sampled_from(ALL_POSITIONS)
rulesets = st.sampled_from(sorted(RULESETS.values(), key=lambda each: each.name))
stakes = st.integers(1, 10**12)
numbers = st.integers(0, 36)


@pytest.mark.feature("F47")
def test_every_european_position_returns_exactly_36_of_37():
    for position in ALL_POSITIONS:
        assert returns(EUROPEAN, position) == Fraction(36, 37), position


@pytest.mark.feature("F47")
def test_la_partage_returns_exactly_73_of_74_on_even_money_and_36_of_37_elsewhere():
    for position in ALL_POSITIONS:
        expected = Fraction(73, 74) if position.kind in EVEN_MONEY else Fraction(36, 37)
        assert returns(LA_PARTAGE, position) == expected, position


def test_the_returns_are_the_published_percentages():
    assert round(100 * Fraction(36, 37), 4) == Fraction("97.2973")
    assert round(100 * Fraction(73, 74), 4) == Fraction("98.6486")


@pytest.mark.feature("F47")
@pytest.mark.parametrize("rules", [EUROPEAN, LA_PARTAGE])
def test_every_announced_bet_returns_exactly_36_of_37(rules):
    for announced in ALL_ANNOUNCED:
        slip = expand(announced, 100)
        staked = sum(stake for _, stake in slip)
        paid = sum(
            payout(rules, position, stake, number) for position, stake in slip for number in NUMBERS
        )
        assert Fraction(paid, 37 * staked) == Fraction(36, 37), announced


@pytest.mark.parametrize(
    ("code", "number", "returned"),
    [
        ("straight:17", 17, 3600),
        ("straight:17", 18, 0),
        ("straight:0", 0, 3600),
        ("split:14-17", 14, 1800),
        ("split:0-2", 0, 1800),
        ("street:1-2-3", 3, 1200),
        ("trio:0-1-2", 0, 1200),
        ("corner:25-26-28-29", 29, 900),
        ("first_four", 0, 900),
        ("six_line:31-36", 33, 600),
        ("column:3", 36, 300),
        ("dozen:1", 12, 300),
        ("dozen:1", 0, 0),
        ("red", 32, 200),
        ("red", 26, 0),
        ("red", 0, 0),
        ("even", 0, 0),
        ("low", 18, 200),
        ("high", 18, 0),
    ],
)
def test_one_euro_returns_this_much(code, number, returned):
    assert payout(EUROPEAN, parse_position(code), 100, number) == returned


@pytest.mark.parametrize(
    ("stake_minor", "returned_minor"), [(1, 1), (2, 1), (3, 2), (50, 25), (101, 51), (1000, 500)]
)
def test_la_partage_rounds_half_an_odd_minor_unit_to_the_player(stake_minor, returned_minor):
    for kind in EVEN_MONEY:
        position = parse_position(str(kind))
        assert payout(LA_PARTAGE, position, stake_minor, 0) == returned_minor
        assert payout(EUROPEAN, position, stake_minor, 0) == 0


def test_rounding_to_the_player_never_makes_a_bet_worth_more_than_its_stake():
    for stake_minor in range(1, 200):
        paid = sum(payout(LA_PARTAGE, parse_position("red"), stake_minor, n) for n in NUMBERS)
        assert paid <= 37 * stake_minor


def test_la_partage_does_not_touch_columns_dozens_or_inside_bets():
    for position in ALL_POSITIONS:
        if position.kind not in EVEN_MONEY and 0 not in position.numbers:
            assert payout(LA_PARTAGE, position, 100, 0) == 0


@given(rulesets, positions, stakes, numbers)
def test_a_stake_is_lost_or_returned_with_its_odds_and_nothing_between_but_half(
    rules, position, stake_minor, number
):
    returned = payout(rules, position, stake_minor, number)

    if number in position.numbers:
        assert returned == stake_minor * 36 // len(position.numbers)
    elif rules.la_partage and number == 0 and position.kind in EVEN_MONEY:
        assert 2 * returned - stake_minor in (0, 1)
    else:
        assert returned == 0


@given(positions, stakes, stakes, numbers)
def test_two_stakes_on_one_position_return_what_their_sum_returns(position, one, other, number):
    together = payout(EUROPEAN, position, one + other, number)

    assert together == payout(EUROPEAN, position, one, number) + payout(
        EUROPEAN, position, other, number
    )


@given(rulesets, positions, st.integers(1, 10**9))
def test_over_the_whole_wheel_money_is_conserved_less_the_edge(rules, position, half_stake):
    stake_minor = 2 * half_stake
    paid = sum(payout(rules, position, stake_minor, number) for number in NUMBERS)

    assert Fraction(paid, 37 * stake_minor) == returns(rules, position)


@given(st.lists(st.tuples(st.sampled_from(["red", "even", "low"]), stakes)), numbers)
def test_opposite_chances_pay_the_house_only_on_zero(slip, number):
    opposite = {"red": "black", "even": "odd", "low": "high"}
    both = [*slip, *((opposite[code], stake) for code, stake in slip)]
    staked = sum(stake for _, stake in both)
    paid = sum(payout(EUROPEAN, parse_position(code), stake, number) for code, stake in both)

    assert paid == (0 if number == 0 else staked)


@pytest.mark.parametrize("stake_minor", [0, -1, True, 1.0])
def test_a_stake_that_is_not_a_positive_int_is_a_bug(stake_minor):
    with pytest.raises(InvariantBroken):
        payout(EUROPEAN, parse_position("red"), stake_minor, 1)


@pytest.mark.parametrize("number", [-1, 37])
def test_paying_a_number_off_the_wheel_is_a_bug(number):
    with pytest.raises(InvariantBroken):
        payout(EUROPEAN, parse_position("red"), 100, number)


# --- the description: what is hashed and what is shown


@pytest.mark.feature("F40")
def test_the_rules_hash_is_the_sha256_of_the_canonical_description():
    text = json.dumps(description(EUROPEAN), sort_keys=True, separators=(",", ":"))

    assert rules_hash(EUROPEAN) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.feature("F40")
def test_the_hashes_of_version_1_never_change():
    """Bets carry them for ever. A changed rule is a new version; these lines stay."""
    assert rules_hash(EUROPEAN) == (
        "4d2000eb652af831a6b8b3ca61e0cd4be3c9b6713f25e10299014c93d58ef149"
    )
    assert rules_hash(LA_PARTAGE) == (
        "af325de44527a5a1fcd807309a0489f826a3cb6219378c772ba548cf5dca12c9"
    )


@pytest.mark.feature("F40")
def test_an_option_or_a_version_changes_the_hash():
    hashes = {
        rules_hash(Ruleset("european", la_partage=la_partage, version=version))
        for la_partage in (False, True)
        for version in (1, 2)
    }

    assert len(hashes) == 4


@pytest.mark.feature("F40")
def test_a_bets_hash_finds_the_rules_it_was_accepted_under():
    for rules in RULESETS.values():
        assert ruleset_by_hash(rules_hash(rules)) is rules
    with pytest.raises(Refused) as refused:
        ruleset_by_hash("0" * 64)
    assert refused.value.code is RulesCode.UNKNOWN_RULESET


@pytest.mark.feature("F41")
def test_settling_by_the_description_alone_pays_what_payout_pays():
    """An outsider with nothing but the hashed JSON gets the same payouts."""
    for rules in RULESETS.values():
        published = json.loads(json.dumps(description(rules)))
        partage = published["la_partage"]
        for listed in published["positions"]:
            position = parse_position(listed["code"])
            for number in NUMBERS:
                expected = 0
                if number in listed["covers"]:
                    expected = 101 * (1 + listed["pays_to_one"])
                elif partage and number == partage["on"] and listed["kind"] in partage["kinds"]:
                    assert partage["returns_of_stake"] == "1/2"
                    expected = 51 if partage["odd_minor_unit_goes_to"] == "player" else 50
                assert payout(rules, position, 101, number) == expected


@pytest.mark.feature("F41")
def test_the_paytable_shows_each_kind_once_with_exact_edges():
    rows = {row.kind: row for row in paytable(LA_PARTAGE)}

    assert list(rows) == list(BetKind)
    assert rows[BetKind.CORNER].example == "corner:1-2-4-5"
    assert (rows[BetKind.CORNER].positions, rows[BetKind.CORNER].covers) == (22, 4)
    assert rows[BetKind.CORNER].pays_to_one == 8
    assert rows[BetKind.CORNER].house_edge == Fraction(1, 37)
    assert rows[BetKind.RED].house_edge == Fraction(1, 74)
    assert sum(row.positions for row in rows.values()) == 157
    for row in rows.values():
        assert row.returns + row.house_edge == 1


def test_rules_are_found_by_name_and_unknown_names_are_refused():
    assert ruleset("european-la-partage") is LA_PARTAGE
    with pytest.raises(Refused) as refused:
        ruleset("american")
    assert refused.value.code is RulesCode.UNKNOWN_RULESET
    assert refused.value.data == {"ruleset": "american"}

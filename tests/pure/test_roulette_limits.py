"""What a slip may hold, and how limits are kept."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.invariant import InvariantBroken
from kernel.money import SCALES, MoneyCode
from kernel.refusal import Refused
from tables.rules.roulette import (
    ALL_ANNOUNCED,
    ALL_POSITIONS,
    EVEN_MONEY,
    BetKind,
    Limits,
    RulesCode,
    check_slip,
    default_limits,
    expand,
    parse_announced,
    parse_position,
)

EUR = default_limits("EUR")


def slip(**stakes):
    return [
        (parse_position(code.replace("__", ":").replace("_to_", "-")), stake)
        for code, stake in stakes.items()
    ]


def test_the_demo_limits_in_euro_are_50_cents_to_500_euro_with_50_euro_straight_up():
    assert (EUR.table.min_minor, EUR.table.max_minor) == (50, 50_000)
    assert EUR.positions[BetKind.STRAIGHT].max_minor == 5_000
    assert EUR.positions[BetKind.RED].max_minor == 50_000
    assert EUR.chip_step_minor == 50


def test_there_are_demo_limits_for_every_currency_and_more_cover_never_allows_less():
    for currency in SCALES:
        limits = default_limits(currency)
        assert limits.currency == currency
        by_cover = sorted(ALL_POSITIONS, key=lambda position: len(position.numbers))
        maxima = [limits.positions[position.kind].max_minor for position in by_cover]
        assert maxima == sorted(maxima)


def test_demo_limits_of_an_unknown_currency_are_refused():
    with pytest.raises(Refused) as refused:
        default_limits("XXX")
    assert refused.value.code is MoneyCode.UNKNOWN_CURRENCY


ROWS = [
    # existing, slip, code, data
    ({}, {"straight__17": 50}, None, None),
    ({}, {"straight__17": 5000}, None, None),
    ({}, {}, RulesCode.EMPTY_SLIP, {}),
    (
        {},
        {"straight__17": 5050},
        RulesCode.ABOVE_POSITION_MAXIMUM,
        {"position": "straight:17", "stake_minor": 5050, "max_minor": 5000, "currency": "EUR"},
    ),
    ({"straight__17": 4950}, {"straight__17": 50}, None, None),
    (
        {"straight__17": 4950},
        {"straight__17": 100},
        RulesCode.ABOVE_POSITION_MAXIMUM,
        {"position": "straight:17", "stake_minor": 5050, "max_minor": 5000, "currency": "EUR"},
    ),
    ({"straight__17": 5000}, {"straight__18": 5000}, None, None),
    (
        {},
        {"red": 75},
        RulesCode.OFF_CHIP_STEP,
        {"position": "red", "stake_minor": 75, "step_minor": 50, "currency": "EUR"},
    ),
    (
        {},
        {"red": 0},
        RulesCode.BELOW_MINIMUM,
        {"position": "red", "stake_minor": 0, "min_minor": 50, "currency": "EUR"},
    ),
    (
        {},
        {"straight__1": 100, "red": -50},
        RulesCode.BELOW_MINIMUM,
        {"position": "red", "stake_minor": -50, "min_minor": 50, "currency": "EUR"},
    ),
    ({"red": 49_950}, {"black": 50}, None, None),
    (
        {"red": 49_950},
        {"black": 100},
        RulesCode.ABOVE_TABLE_MAXIMUM,
        {"stake_minor": 50_050, "max_minor": 50_000, "currency": "EUR"},
    ),
]


@pytest.mark.parametrize(("existing", "asked", "code", "data"), ROWS)
def test_a_slip_is_taken_or_refused_with_this_code(existing, asked, code, data):
    if code is None:
        check_slip(EUR, dict(slip(**existing)), slip(**asked))
        return
    with pytest.raises(Refused) as refused:
        check_slip(EUR, dict(slip(**existing)), slip(**asked))
    assert (refused.value.code, refused.value.data) == (code, data)


def _changed(**changes):
    stored = EUR.to_dict()
    for path, value in changes.items():
        at = stored
        *parents, leaf = path.split("__")
        for parent in parents:
            at = at[parent]
        at[leaf] = value
    return stored


def test_minima_of_position_and_table_are_told_apart():
    limits = Limits.from_dict(_changed(table__min_minor=200, positions__red__min_minor=500))

    for asked, code in (
        ({"red": 450}, RulesCode.BELOW_MINIMUM),
        ({"straight__1": 150}, RulesCode.BELOW_TABLE_MINIMUM),
    ):
        with pytest.raises(Refused) as refused:
            check_slip(limits, {}, slip(**asked))
        assert refused.value.code is code
    check_slip(limits, {}, slip(straight__1=200))
    check_slip(limits, dict(slip(straight__1=200)), slip(straight__1=50))


def test_what_is_on_a_position_does_not_excuse_a_slip_below_its_minimum():
    """Else taking the first slip back would leave a stake below the minimum."""
    limits = Limits.from_dict(_changed(positions__red__min_minor=500))

    with pytest.raises(Refused) as refused:
        check_slip(limits, dict(slip(red=500)), slip(red=50))
    assert refused.value.code is RulesCode.BELOW_MINIMUM


def test_a_position_named_twice_in_a_slip_counts_once_with_the_sum():
    limits = Limits.from_dict(_changed(positions__red__min_minor=100))
    red = parse_position("red")

    check_slip(limits, {}, [(red, 50), (red, 50)])
    with pytest.raises(Refused) as refused:
        check_slip(EUR, {}, [(red, 30_000), (red, 30_000)])
    assert refused.value.data["stake_minor"] == 60_000


def test_a_slip_has_at_most_as_many_stakes_as_the_cloth_has_positions():
    check_slip(EUR, {}, [(position, 50) for position in ALL_POSITIONS])
    with pytest.raises(Refused) as refused:
        check_slip(EUR, {}, [(ALL_POSITIONS[0], 50)] * 158)
    assert refused.value.code is RulesCode.TOO_MANY_STAKES
    assert refused.value.data == {"count": 158, "max": 157}


@pytest.mark.parametrize("stake", [True, 50.0])
def test_a_stake_that_is_no_int_is_a_bug(stake):
    with pytest.raises(InvariantBroken):
        check_slip(EUR, {}, [(parse_position("red"), stake)])


def test_limits_apply_to_what_an_announced_bet_expands_to():
    """50 euro chips: voisins puts 100 euro on the trio (150 allowed); 100 euro chips do not fit."""
    for announced in ALL_ANNOUNCED:
        check_slip(EUR, {}, expand(announced, 50))
    check_slip(EUR, {}, expand(parse_announced("orphelins"), 5_000))
    with pytest.raises(Refused) as refused:
        check_slip(EUR, {}, expand(parse_announced("voisins"), 10_000))
    assert refused.value.code is RulesCode.ABOVE_POSITION_MAXIMUM
    assert refused.value.data["position"] == "trio:0-2-3"


stakes = st.one_of(st.integers(1, 60).map(lambda chips: 50 * chips), st.integers(-25, 60_000))
slips = st.lists(st.tuples(st.sampled_from(ALL_POSITIONS), stakes), max_size=8)
good_slips = st.lists(
    st.tuples(st.sampled_from(ALL_POSITIONS), st.integers(1, 30).map(lambda chips: 50 * chips)),
    max_size=8,
)


def _allowed(existing, asked, limits=EUR):
    try:
        check_slip(limits, existing, asked)
    except Refused:
        return False
    return True


@given(good_slips, good_slips, st.integers(1, 4))
def test_less_already_staked_never_turns_a_yes_into_a_no(existing, asked, divisor):
    more = dict(existing)
    less = {position: stake // divisor for position, stake in list(more.items())[1:]}

    assert not _allowed(more, asked) or _allowed(less, asked)


@given(slips, st.integers(2, 10))
def test_wider_maxima_never_turn_a_yes_into_a_no(asked, factor):
    stored = EUR.to_dict()
    for span in [stored["table"], *stored["positions"].values()]:
        span["max_minor"] *= factor

    assert not _allowed({}, asked) or _allowed({}, asked, Limits.from_dict(stored))


@given(st.one_of(slips, good_slips))
def test_an_accepted_slip_respects_every_limit(asked):
    if not _allowed({}, asked):
        return
    sums = {}
    for position, stake in asked:
        sums[position] = sums.get(position, 0) + stake
    for position, total in sums.items():
        span = EUR.positions[position.kind]
        assert span.min_minor <= total <= span.max_minor
    assert 50 <= sum(sums.values()) <= 50_000


def test_limits_survive_json():
    for currency in SCALES:
        limits = default_limits(currency)
        assert Limits.from_dict(json.loads(json.dumps(limits.to_dict()))) == limits


BROKEN = [
    ("currency", 7, "currency"),
    ("chip_step_minor", 0, "chip_step_minor"),
    ("chip_step_minor", "50", "chip_step_minor"),
    ("chip_step_minor", True, "chip_step_minor"),
    ("chip_step_minor", 50.0, "chip_step_minor"),
    ("chip_step_minor", 30, "table"),  # 50 is no multiple of 30
    ("table", None, "table"),
    ("table__min_minor", -50, "table.min_minor"),
    ("table__min_minor", 50_050, "table"),
    ("table__extra", 1, "table"),
    ("positions__red__max_minor", 2**63, "red.max_minor"),
    ("positions__straight__min_minor", 5_050, "straight"),
    ("positions__basket", {"min_minor": 50, "max_minor": 50}, "positions"),
    ("comment", "x", "limits"),
]


@pytest.mark.parametrize(("path", "value", "field"), BROKEN)
def test_broken_stored_limits_are_refused_naming_the_field(path, value, field):
    with pytest.raises(Refused) as refused:
        Limits.from_dict(_changed(**{path: value}))

    assert refused.value.code is RulesCode.LIMITS_INVALID
    assert refused.value.data["field"] == field


@pytest.mark.parametrize("missing", ["currency", "chip_step_minor", "table", "positions"])
def test_stored_limits_without_a_key_are_refused(missing):
    stored = copy.deepcopy(EUR.to_dict())
    del stored[missing]

    with pytest.raises(Refused) as refused:
        Limits.from_dict(stored)
    assert refused.value.data["field"] == "limits"


def test_stored_limits_without_a_kind_or_of_an_unknown_currency_are_refused():
    stored = EUR.to_dict()
    del stored["positions"]["trio"]
    with pytest.raises(Refused) as refused:
        Limits.from_dict(stored)
    assert refused.value.data["field"] == "positions"

    with pytest.raises(Refused) as refused:
        Limits.from_dict(_changed(currency="XXX"))
    assert refused.value.code is MoneyCode.UNKNOWN_CURRENCY

    with pytest.raises(Refused):
        Limits.from_dict([])


def test_limits_cannot_be_changed_in_place():
    with pytest.raises(TypeError):
        EUR.positions[BetKind.RED] = EUR.table
    assert {EUR.positions[kind].max_minor for kind in EVEN_MONEY} == {50_000}

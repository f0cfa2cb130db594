"""Announced bets against the well-known chips and sectors."""

from __future__ import annotations

import pytest

from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tables.rules.roulette import (
    ALL_ANNOUNCED,
    NUMBERS,
    ORDER,
    RulesCode,
    expand,
    parse_announced,
    parse_position,
)

CHIPS = {
    "voisins": {
        "trio:0-2-3": 2,
        "split:4-7": 1,
        "split:12-15": 1,
        "split:18-21": 1,
        "split:19-22": 1,
        "split:32-35": 1,
        "corner:25-26-28-29": 2,
    },
    "tiers": {
        "split:5-8": 1,
        "split:10-11": 1,
        "split:13-16": 1,
        "split:23-24": 1,
        "split:27-30": 1,
        "split:33-36": 1,
    },
    "orphelins": {
        "straight:1": 1,
        "split:6-9": 1,
        "split:14-17": 1,
        "split:17-20": 1,
        "split:31-34": 1,
    },
    "jeu_zero": {"straight:26": 1, "split:0-3": 1, "split:12-15": 1, "split:32-35": 1},
    "neighbours:17:2": {
        "straight:2": 1,
        "straight:25": 1,
        "straight:17": 1,
        "straight:34": 1,
        "straight:6": 1,
    },
    "neighbours:0:0": {"straight:0": 1},
    "finale:4": {"straight:4": 1, "straight:14": 1, "straight:24": 1, "straight:34": 1},
    "finale:7": {"straight:7": 1, "straight:17": 1, "straight:27": 1},
    "finale_cheval:0-3": {"split:0-3": 1, "split:10-13": 1, "split:20-23": 1, "split:30-33": 1},
    "finale_cheval:4-7": {"split:4-7": 1, "split:14-17": 1, "split:24-27": 1, "straight:34": 1},
    "finale_cheval:6-9": {"split:6-9": 1, "split:16-19": 1, "split:26-29": 1, "straight:36": 1},
    "finale_cheval:9-12": {"split:9-12": 1, "split:19-22": 1, "split:29-32": 1},
}


@pytest.mark.parametrize("code", CHIPS)
def test_an_announced_bet_puts_these_chips_down(code):
    slip = expand(parse_announced(code), 50)

    assert {position.code: stake for position, stake in slip} == {
        position: 50 * count for position, count in CHIPS[code].items()
    }
    assert len(slip) == len(CHIPS[code])


@pytest.mark.parametrize(
    ("code", "chips"),
    [
        ("voisins", 9),
        ("tiers", 6),
        ("orphelins", 5),
        ("jeu_zero", 4),
        ("neighbours:5:9", 19),
        *((f"finale:{digit}", 4 if digit <= 6 else 3) for digit in range(10)),
        *((f"finale_cheval:{digit}-{digit + 3}", 4 if digit <= 6 else 3) for digit in range(10)),
    ],
)
def test_an_announced_bet_takes_this_many_chips(code, chips):
    assert parse_announced(code).chip_count == chips


def _covered(code):
    return {number for position, _ in parse_announced(code).chips for number in position.numbers}


def _sector(first, last):
    ring = [*ORDER, *ORDER]
    start = ring.index(first)
    return set(ring[start : ring.index(last, start) + 1])


def test_the_three_great_sectors_share_out_the_wheel():
    assert _covered("voisins") == _sector(22, 25)
    assert _covered("tiers") == _sector(27, 33)
    assert _covered("orphelins") == _sector(17, 6) | _sector(1, 9)
    sizes = [len(_covered(code)) for code in ("voisins", "tiers", "orphelins")]
    assert sizes == [17, 12, 8]
    assert sum(sizes) == len(NUMBERS)
    assert _covered("jeu_zero") == _sector(12, 15)


def test_every_announced_bet_parses_back_and_expands_into_positions_of_the_cloth():
    assert len(ALL_ANNOUNCED) == 4 + 10 + 10 + 37 * 10
    for announced in ALL_ANNOUNCED:
        assert parse_announced(announced.code) is announced
        for position, stake in expand(announced, 1):
            assert parse_position(position.code) is position
            assert stake >= 1


@pytest.mark.parametrize(
    "code",
    [
        "",
        "zero",
        "neighbours:37:1",
        "neighbours:1:10",
        "neighbours:1",
        "finale:10",
        "finale_cheval:1-3",
    ],
)
def test_an_unknown_announced_bet_is_refused(code):
    with pytest.raises(Refused) as refused:
        parse_announced(code)

    assert refused.value.code is RulesCode.UNKNOWN_ANNOUNCED
    assert refused.value.data == {"announced": code}


@pytest.mark.parametrize("chip_minor", [0, -50, True])
def test_a_chip_without_value_is_a_bug(chip_minor):
    with pytest.raises(InvariantBroken):
        expand(parse_announced("tiers"), chip_minor)

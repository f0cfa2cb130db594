"""Bars of the page "Play safely": one scale, zero inside, nothing that happened is invisible."""

from __future__ import annotations

import pytest

from compliance.play_safely import help_lines
from compliance.play_safely.chart import HEIGHT, chart


def test_up_and_down_share_one_scale_around_zero():
    made = chart([300, 0, -100])
    assert (made.top, made.bottom, made.zero_y) == (300, -100, "72.0")
    up, down = made.bars
    assert (up.css, up.y, up.height) == ("bar", "0.0", "72.0")
    assert (down.css, down.y, down.height) == ("bar bar-minus", "72.0", "24.0")


def test_a_cent_beside_a_fortune_is_still_seen():
    small = chart([1, 10_000_000]).bars[0]
    assert (small.y, small.height) == ("95.0", "1.0")


@pytest.mark.parametrize("values", [[], [0, 0, 0]])
def test_nothing_draws_nothing(values):
    made = chart(values)
    assert (made.bars, made.zero_y) == ((), f"{HEIGHT}.0")


def test_losses_alone_hang_from_the_top():
    assert chart([-5]).zero_y == "0.0"


@pytest.mark.feature("F96")
def test_a_help_line_shows_a_number_only_where_it_was_seen():
    [own, everywhere] = help_lines.help_lines("MT")
    assert (own.number, own.source) == ("1777", "https://www.rgf.org.mt/")
    assert (everywhere.country, everywhere.number) == ("*", "")
    [recalled, _everywhere] = help_lines.help_lines("GB")
    assert (recalled.number, recalled.site_name) == ("", "gamcare.org.uk")
    assert help_lines.as_of().isoformat() == "2026-11-27"

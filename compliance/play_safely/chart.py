"""Bars for the page "Play safely": where each stands, in the drawing's own units. Pure.

Bars and axis only; every value is written in the table beside the drawing as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 360
#: The part of the height that bars use; words stand below.
HEIGHT: Final = 96
#: Share of a day's width that its bar fills.
_FILL: Final = 3, 4
#: A day with anything at all is seen.
_BAR_MIN: Final = 1


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar; heights grow from the zero line, up or down. Tenths are enough."""

    css: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars, where zero is, and what the highest and the lowest line mean."""

    bars: tuple[Bar, ...]
    zero_y: str
    top: int
    bottom: int


def chart(values: Sequence[int]) -> Chart:
    """Bars for ``values``, oldest first. Zero is always within; one scale for up and down."""
    top, bottom = max((0, *values)), min((0, *values))
    span = top - bottom or 1
    zero_tenths = HEIGHT * 10 * top // span if top or bottom else HEIGHT * 10
    slot_tenths = WIDTH * 10 // max(1, len(values))
    width_tenths = slot_tenths * _FILL[0] // _FILL[1]
    left = (slot_tenths - width_tenths) // 2
    bars = []
    for n, value in enumerate(values):
        if not value:
            continue
        height = max(_BAR_MIN * 10, HEIGHT * 10 * abs(value) // span)
        y = zero_tenths - height if value > 0 else zero_tenths
        bars.append(
            Bar(
                "bar" if value > 0 else "bar bar-minus",
                _tenths(n * slot_tenths + left),
                _tenths(y),
                _tenths(width_tenths),
                _tenths(height),
            )
        )
    return Chart(tuple(bars), _tenths(zero_tenths), top, bottom)


def _tenths(value: int) -> str:
    return f"{value // 10}.{value % 10}" if value >= 0 else f"-{_tenths(-value)}"

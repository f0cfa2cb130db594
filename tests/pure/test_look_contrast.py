"""Contrast of our colours by the WCAG 2.2 formula: text 4.5, edges of controls and graphics 3."""

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[2] / "static" / "css" / "tokens.css").read_text()
_DARK_PART, _LIGHT_PART = TOKENS.split("@media (prefers-color-scheme: light)")
_COLOUR = re.compile(r"--([a-z0-9-]+): #([0-9a-f]{3,6});")


def _read(part: str) -> dict[str, str]:
    return {
        name: value if len(value) == 6 else "".join(2 * digit for digit in value)
        for name, value in _COLOUR.findall(part)
    }


DARK = _read(_DARK_PART)
LIGHT = DARK | _read(_LIGHT_PART)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("surface", ["page", "card", "raised"])
@pytest.mark.parametrize("word", ["text", "text-2", "text-3", "lamp-text", "sea", "good", "alarm"])
def test_words_read_on_every_surface(theme, surface, word):
    assert _contrast(theme[word], theme[surface]) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("surface", ["page", "card", "raised"])
def test_edges_of_controls_are_seen_on_every_surface(theme, surface):
    assert _contrast(theme["edge"], theme[surface]) >= 3


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize(
    ("word", "fill"),
    [
        ("lamp-ink", "lamp"),
        ("phase-ink", "phase-open"),
        ("phase-ink", "phase-last"),
        ("phase-text", "phase-closed"),
        ("phase-text", "phase-spin"),
        ("phase-text", "phase-settled"),
        ("phase-stop-text", "phase-stop"),
        ("cream-ink", "phase-official"),
        ("cream", "felt"),
        ("felt-focus", "felt"),
        ("on-alarm", "alarm-fill"),
        ("on-alarm", "red"),
        ("on-alarm", "zero"),
        ("lamp-text", "lamp-wash"),
        ("good", "good-wash"),
        ("alarm", "alarm-wash"),
        ("strip-text", "strip"),
    ],
)
def test_words_read_on_their_fill(theme, word, fill):
    assert _contrast(theme[word], theme[fill]) >= 4.5


def test_objects_keep_their_colour_in_both_themes():
    for name in ("felt", "felt-line", "cream", "red", "black", "zero"):
        assert DARK[name] == LIGHT[name]

"""The felt, the racetrack and the words for phases and positions, as the table page needs them.

Everything is made from `tables.rules.roulette`: a cell exists here because its position exists
there. Pages stay plain loops over the cells; where a chip lies is a matter of classes (`c1`…`c12`
the row of three on the cloth, `k1`…`k3` the column, `sc` and `sk` across two of them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from django import template
from django.utils.translation import gettext as _

from casino.templatetags.money import chip_label
from kernel.refusal import Refused
from tables.phases import Phase
from tables.rules.roulette import (
    ALL_ANNOUNCED,
    ALL_POSITIONS,
    NEIGHBOURS_MAX,
    NUMBERS,
    ORDER,
    BetKind,
    Position,
    colour,
    parse_position,
)
from tables.wording import kind_name, position_name

register = template.Library()
register.filter("position_name", position_name)

#: Look of a chip, by its value in major units times 100, dearest first.
_CHIPS: Final = (
    (100_000, "brass"),
    (50_000, "violet"),
    (10_000, "black"),
    (2_500, "green"),
    (500, "red"),
    (100, "chalk"),
    (0, "stone"),
)
_PHASES: Final = {
    Phase.BETTING_OPEN: "open",
    Phase.CLOSING_SOON: "last",
    Phase.NO_MORE_BETS: "closed",
    Phase.SPINNING: "spin",
    Phase.NO_SPIN: "closed",
    Phase.RESULT_PENDING: "checking",
    Phase.OFFICIAL: "official",
    Phase.SETTLED: "settled",
    Phase.SUSPENDED: "stop",
    Phase.VOIDED: "void",
}
_OUTSIDE: Final = (
    "column:1",
    "column:2",
    "column:3",
    "dozen:1",
    "dozen:2",
    "dozen:3",
    "low",
    "even",
    "red",
    "black",
    "odd",
    "high",
)
#: The wheel, clockwise from the left end of the racetrack's upper straight.
_TRACK: Final = (*ORDER[ORDER.index(33) :], *ORDER[: ORDER.index(33)])


class PlayerBet(Protocol):
    """One of the player's bets, as the table page carries it."""

    code: str
    label: str
    stake_minor: int
    returns_minor: int
    status: str


@dataclass(frozen=True, slots=True)
class Chip:
    """The player's stake on one position, drawn as one chip with the sum."""

    stake_minor: int
    label: str
    style: str
    won: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One place that can be pressed: `css` places it, `name` is what a screen reader says."""

    code: str
    label: str
    name: str
    css: str
    chip: Chip | None = None
    odds: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """The player's round in three figures, in minor units, and how many bets won."""

    staked_minor: int
    paid_minor: int
    net_minor: int
    count: int
    won: int


@register.filter
def phase_kind(phase: str | None) -> str:
    """The look of a phase: open, last, closed, spin, checking, official, settled, stop, void."""
    return _PHASES.get(Phase(phase), "idle") if phase in set(Phase) else "idle"


@register.filter
def phase_icon(phase: str | None) -> str:
    """The name of a phase's glyph in the icon file."""
    return f"phase-{phase_kind(phase)}"


@register.filter
def chip_style(minor: int, currency: str) -> str:
    """The colour class of a chip of this value, `chip-long` where its value is long."""
    text = chip_label(minor, currency)
    worth = minor if currency != "JPY" else minor * 100
    style = next(name for least, name in _CHIPS if worth >= least)
    return f"chip-{style}{' chip-long' if len(text) > 2 else ''}"


def chip_styles(currency: str) -> list[tuple[int, str]]:
    """From how many minor units on a chip has which colour, dearest first."""
    return [(least if currency != "JPY" else least // 100, name) for least, name in _CHIPS]


@register.simple_tag
def checked_chip(chips: Sequence[tuple[int, str]], selected: int | None) -> int | None:
    """The chip to show as chosen: the `selected` one when the table has it, else the second."""
    values = [minor for minor, _label in chips]
    return selected if selected in values else next(iter(values[1:2] or values), None)


@register.filter
def position_short(code: str) -> str:
    """A position as short as on the felt: `split:14-17` as "14 / 17"."""
    try:
        return _label(parse_position(code))
    except Refused:
        return code


@register.filter(name="kind_name")
def kind_words(kind: str) -> str:
    """A kind of bet in words."""
    return kind_name(BetKind(kind))


@register.filter
def colour_name(found: str) -> str:
    """The colour of a number in words."""
    return {"red": _("Red"), "black": _("Black"), "green": _("Zero")}.get(str(found), str(found))


@register.filter
def number_colour(number: int | None) -> str:
    """The class name of a number's colour: `red`, `black` or `green`."""
    return str(colour(number)) if isinstance(number, int) and number in NUMBERS else ""


#: Numbers fit into a cell of 52 px, and need no translation.
_RANGES: Final = {
    "dozen:1": "1–12",
    "dozen:2": "13–24",
    "dozen:3": "25–36",
    "low": "1–18",
    "high": "19–36",
}


def _label(position: Position) -> str:
    """What stands in the cell, as short as a phone's cell is."""
    if position.code in _RANGES:
        return _RANGES[position.code]
    if position.kind is BetKind.COLUMN:
        return _("Col %(which)s") % {"which": position.code[-1]}
    if position.kind in {BetKind.STREET, BetKind.SIX_LINE}:
        return f"{position.numbers[0]}–{position.numbers[-1]}"
    if position.kind is BetKind.SPLIT:
        return " / ".join(map(str, position.numbers))
    if len(position.numbers) <= 4:
        return " ".join(map(str, position.numbers))
    return position_name(position.code)


def _chips(bets: Iterable[PlayerBet], currency: str) -> dict[str, Chip]:
    stakes: dict[str, int] = {}
    won: set[str] = set()
    for bet in bets or ():
        stakes[bet.code] = stakes.get(bet.code, 0) + bet.stake_minor
        if bet.status == "won":
            won.add(bet.code)
    return {
        code: Chip(stake, chip_label(stake, currency), chip_style(stake, currency), code in won)
        for code, stake in stakes.items()
        if stake > 0
    }


def _cell(code: str, css: str, chips: dict[str, Chip]) -> Cell:
    position = parse_position(code)
    name = _("%(bet)s, pays %(odds)s to 1") % {
        "bet": position_name(position.code),
        "odds": position.odds,
    }
    return Cell(code, _label(position), name, css, chips.get(code), position.odds)


def _place(number: int) -> str:
    row, column = divmod(number - 1, 3)
    return f"c{row + 1} k{column + 1}{' h2' if row >= 6 else ''}"


@register.simple_tag
def felt_numbers(bets: Sequence[PlayerBet], currency: str, result: int | None = None) -> list[Cell]:
    """The 37 numbers, 0 first, with the player's chips; the result's own cell is marked `hit`."""
    chips = _chips(bets, currency)
    return [
        _cell(
            f"straight:{number}",
            f"{colour(number)}{' ' + _place(number) if number else ''}"
            f"{' hit' if number == result and result is not None else ''}",
            chips,
        )
        for number in NUMBERS
    ]


@register.simple_tag
def felt_outside(bets: Sequence[PlayerBet], currency: str) -> list[Cell]:
    """The twelve outside bets, in the order of the folded felt's two rows."""
    chips = _chips(bets, currency)
    return [_said(_cell(code, f"out o{i}", chips)) for i, code in enumerate(_OUTSIDE, start=1)]


def _said(cell: Cell) -> Cell:
    """The cell with a name that begins with what it shows, for people who speak to the page."""
    shows = cell.label in position_name(cell.code)
    return cell if shows else replace(cell, name=f"{cell.label}: {cell.name}")


@register.simple_tag
def felt_spots(bets: Sequence[PlayerBet], currency: str) -> list[Cell]:
    """The player's chips that lie between numbers.

    The folded felt parts row 18 from row 19: such a chip is given twice, `fold-a` at the lower
    edge of the first cell and `fold-b` at the upper edge of the second.
    """
    chips = _chips(bets, currency)
    spots: list[Cell] = []
    for code in chips:
        try:
            position = parse_position(code)
        except Refused:
            continue
        spots += [_cell(code, css, chips) for css in places(position)]
    return spots


def places(position: Position) -> list[str]:
    """The classes that place a chip which lies between numbers; none when it lies in a cell."""
    in_a_cell = position.kind is BetKind.STRAIGHT or position.code in _OUTSIDE
    return [] if in_a_cell else _between(position)


def _between(position: Position) -> list[str]:
    numbers = [number for number in position.numbers if number]
    first, last = numbers[0], numbers[-1]
    across = f"{' sk' if position.kind in _ACROSS and len(numbers) > 1 else ''}"
    if 0 in position.numbers:
        return [f"spot zero-edge k{(first - 1) % 3 + 1}{across}"]
    rows = (last - 1) // 3 - (first - 1) // 3
    edge = " outer" if position.kind in {BetKind.STREET, BetKind.SIX_LINE} else ""
    if position.kind is BetKind.SPLIT:
        across = "" if rows else " sk"
    css = f"spot {_place(first)}{across}{edge}{' sc' if rows else ''}"
    if rows and (first - 1) // 3 == 5:
        second = first + 3
        return [f"{css} fold-a", f"spot {_place(second)}{across}{edge} fold-b"]
    return [css]


_ACROSS: Final = frozenset({BetKind.CORNER, BetKind.TRIO, BetKind.SPLIT})


@register.simple_tag
def track_pockets(each_side: int) -> list[Cell]:
    """The 37 pockets in the wheel's order, each as the bet on it and its neighbours."""
    cells = []
    for number in _TRACK:
        words = {"number": number, "each": each_side}
        name = _("%(number)s and %(each)s neighbours each side") % words
        code = f"neighbours:{number}:{each_side}"
        cells.append(Cell(code, str(number), name, str(colour(number))))
    return cells


@register.simple_tag
def inside_bets(number: int, bets: Sequence[PlayerBet], currency: str) -> list[Cell]:
    """Every inside bet that contains `number`, the smallest first: straight up to six lines."""
    chips = _chips(bets, currency)
    return [
        _cell(position.code, str(position.kind), chips)
        for position in ALL_POSITIONS
        if position.covers(number) and position.code not in _OUTSIDE
    ]


@register.filter
def neighbours_each(text: str | None) -> int:
    """How many neighbours a reader asked for by `?each=`: 0 to 9, else the usual 2."""
    return int(text) if text and text.isdecimal() and int(text) <= NEIGHBOURS_MAX else 2


@register.filter
def asked_number(text: str | None) -> int | None:
    """The number a reader asked for by `?inside=`, when there is one on the wheel."""
    return int(text) if text and text.isdecimal() and int(text) in NUMBERS else None


@register.simple_tag
def round_summary(bets: Sequence[PlayerBet]) -> Summary:
    """Paid, staked and net of the player's bets; only bets with status `won` count as paid."""
    staked = sum(bet.stake_minor for bet in bets or ())
    paid = sum(bet.returns_minor for bet in bets or () if bet.status in {"won", "returned"})
    won = sum(bet.status == "won" for bet in bets or ())
    return Summary(staked, paid, paid - staked, len(bets or ()), won)


@dataclass(frozen=True, slots=True)
class Call:
    """An announced bet as a button: its code, its name, its chips and the numbers it covers."""

    code: str
    label: str
    chips: int
    numbers: int


def sector_names() -> dict[str, str]:
    """The announced bets that have a name of their own, in the racetrack's order."""
    return {
        "tiers": _("Tiers"),
        "orphelins": _("Orphelins"),
        "voisins": _("Voisins du zéro"),
        "jeu_zero": _("Jeu zéro"),
    }


@register.simple_tag
def calls(group: str) -> list[Call]:
    """The announced bets of a `group`: `sectors`, `finales` or `finales_cheval`."""
    starts = {"finales": "finale:", "finales_cheval": "finale_cheval:"}.get(group, "")
    sectors = sector_names()
    by_code = {announced.code: announced for announced in ALL_ANNOUNCED}
    codes = list(sectors) if not starts else [code for code in by_code if code.startswith(starts)]
    return [
        Call(
            code,
            sectors.get(code) or code.removeprefix(starts).replace("-", "/"),
            by_code[code].chip_count,
            len(
                {number for position, _count in by_code[code].chips for number in position.numbers}
            ),
        )
        for code in codes
    ]


#: The statistics drawing: 37 bars 14 units apart on 100 units of height.
CHART_HEIGHT: Final = 100
_PITCH: Final = 14


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, and the band in which a fair wheel's numbers stay, in the drawing's units."""

    bars: list[tuple[str, str]]  # class of the colour, path
    labels: list[tuple[int, int]]  # number, middle of its bar
    band_y: int
    band_height: int
    mean_y: int


@register.simple_tag
def statistics_chart(
    statistics: Sequence[tuple[int, str, int]], band: tuple[int, int] | None
) -> Chart:
    """How often each number came, from zero, scaled to the largest of the counts and the band."""
    low, high = band or (0, 0)
    top = max([high, 1, *(count for _n, _c, count in statistics)])
    paths: dict[str, str] = {}
    for number, found, count in statistics:
        height = count * CHART_HEIGHT // top
        bar = f"M{number * _PITCH} {CHART_HEIGHT}v-{height}h10v{height}z"
        paths[f"bar-{found}"] = paths.get(f"bar-{found}", "") + bar
    spins = sum(count for _n, _c, count in statistics)
    band_y = CHART_HEIGHT - high * CHART_HEIGHT // top
    mean_y = CHART_HEIGHT - spins * CHART_HEIGHT // (37 * top)
    labels = [(number, number * _PITCH + 5) for number in range(0, 37, 3)]
    return Chart(list(paths.items()), labels, band_y, (high - low) * CHART_HEIGHT // top, mean_y)

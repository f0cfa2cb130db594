"""Bet limits as the fields of a form: amounts as people write them, one row for each kind of bet.

What the fields say is judged elsewhere (`tables.rules.roulette.Limits`); here amounts become minor
units and back, exactly, and what was typed stays typed when it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kernel import money
from kernel.money import Money
from kernel.refusal import Refused
from tables.rules.roulette import BetKind
from tables.wording import kind_name

#: One player's total in a round, beside the kinds of bet.
TABLE: Final = "table"
STEP: Final = "chip_step"


@dataclass(frozen=True, slots=True)
class Row:
    """The least and the most of one kind of bet, as written in two fields."""

    name: str
    label: str
    least: str
    most: str


def step(limits: Mapping[str, Any], currency: str, typed: Mapping[str, str]) -> str:
    """The chip step's field: what was typed, else what ``limits`` say."""
    return typed.get(STEP, Money(limits["chip_step_minor"], currency).decimal())


def rows(limits: Mapping[str, Any], currency: str, typed: Mapping[str, str]) -> list[Row]:
    """The fields of every kind of bet, and of the table: what was typed, else ``limits``."""
    spans = {TABLE: limits["table"], **{str(kind): limits["positions"][kind] for kind in BetKind}}
    return [
        Row(
            name,
            _label(name),
            typed.get(f"{name}_least", Money(span["min_minor"], currency).decimal()),
            typed.get(f"{name}_most", Money(span["max_minor"], currency).decimal()),
        )
        for name, span in spans.items()
    ]


def read(typed: Mapping[str, str], currency: str) -> dict[str, Any]:
    """The limits that the fields say, as stored; not yet judged.

    Refuses with ``UNKNOWN_CURRENCY``, ``NOT_AN_AMOUNT`` or ``TOO_MANY_DECIMALS``, whose ``field``
    is the row's name in words.
    """

    def minor(field: str, label: str) -> int:
        try:
            return money.parse(typed.get(field, ""), currency).minor
        except Refused as refused:
            raise Refused(refused.code, **{**refused.data, "field": label}) from None

    def span(name: str) -> dict[str, int]:
        return {
            "min_minor": minor(f"{name}_least", f"{_label(name)}, least"),
            "max_minor": minor(f"{name}_most", f"{_label(name)}, most"),
        }

    return {
        "currency": currency,
        "chip_step_minor": minor(STEP, "Chip step"),
        "table": span(TABLE),
        "positions": {str(kind): span(str(kind)) for kind in BetKind},
    }


def in_words(field: str) -> str:
    """A changed field's dotted name as staff read it: ``positions.red.max_minor``: "Red, most"."""
    if field == "chip_step_minor":
        return "Chip step"
    name, _, end = field.removeprefix("positions.").rpartition(".")
    ends = {"min_minor": "least", "max_minor": "most"}
    return f"{_label(name)}, {ends[end]}" if end in ends else field


def _label(name: str) -> str:
    return "One player in a round" if name == TABLE else str(kind_name(BetKind(name)))

"""What the betting form says, parsed: chip or typed stake, position or announced bet."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.utils.translation import gettext as _

from kernel.money import MoneyCode, parse
from kernel.refusal import Refused
from tables import wording
from tables.rules import roulette
from tables.selectors import TableCard


class FormCode(StrEnum):
    """Why a form is not a bet."""

    NOT_A_PLAYER = "not_a_player"
    NO_STAKE = "no_stake"
    NO_POSITION = "no_position"


#: Chips offered, in multiples of the smallest one: 50c, 1, 5, 25, 100, 500.
_CHIPS = (1, 2, 10, 50, 200, 1000)


def chips(card: TableCard) -> list[tuple[int, str]]:
    """Chip values in minor units with the text printed on them, up to the table's maximum."""
    smallest = min(row.min_minor for row in card.limits)
    values = [smallest * times for times in _CHIPS if smallest * times <= card.max_minor]
    return [(minor, _chip_text(minor)) for minor in values]


def _chip_text(minor: int) -> str:
    major, rest = divmod(minor, 100)
    if major == 0:
        return f"{minor}c"
    return f"{major}.{rest:02d}" if rest else str(major)


def stake(form: Mapping[str, str], currency: str) -> int:
    """The stake per position in minor units: the typed one where there is one, else the chip."""
    typed = form.get("stake", "").strip()
    if typed:
        return parse(typed, currency).minor
    chip = form.get("chip", "")
    if not chip.isdecimal() or len(chip) > 12:
        raise Refused(FormCode.NO_STAKE)
    return int(chip)


def stakes(form: Mapping[str, str], stake_minor: int) -> list[tuple[str, int]]:
    """The positions the form names with their stakes; an announced bet is expanded."""
    announced = form.get("announced", "")
    if announced:
        called = roulette.parse_announced(announced)
        return [(p.code, minor) for p, minor in roulette.expand(called, stake_minor)]
    position = form.get("position", "")
    if not position:
        raise Refused(FormCode.NO_POSITION)
    return [(position, stake_minor)]


def round_number(form: Mapping[str, str]) -> int | None:
    """The round the page showed, so that a delayed form is never a bet on the next one."""
    text = form.get("round", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def refusal_text(refusal: Refused) -> str:
    """The refusal in words, for this page."""
    own = {
        FormCode.NOT_A_PLAYER: _("This account does not play."),
        FormCode.NO_STAKE: _("Choose a chip first."),
        FormCode.NO_POSITION: _("Choose a bet first."),
        MoneyCode.NOT_AN_AMOUNT: _("That is not an amount."),
        MoneyCode.TOO_MANY_DECIMALS: _("That amount has too many decimals."),
    }.get(refusal.code)
    return own or wording.refusal_text(refusal)

"""What may be staked: per position by its kind, and in all by one player in one round.

Limits are data of a table, one set per currency, kept as JSON; nothing here reads it from
anywhere. Maxima count what the player already has in the round. Minima are met by each slip on its
own, so that taking another slip back never leaves a position below its minimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kernel.invariant import ensure
from kernel.money import MINOR_MAX, scale
from kernel.refusal import Refused
from tables.rules.roulette.bets import ALL_POSITIONS, BetKind, Position
from tables.rules.roulette.codes import RulesCode

#: More stakes in one slip than there are positions cannot be meant: each can be named once.
STAKES_MAX: Final = len(ALL_POSITIONS)

#: A straight number returns 36 stakes, which must still fit the database's bigint.
AMOUNT_MAX_MINOR: Final = MINOR_MAX // 36


@dataclass(frozen=True, slots=True)
class Span:
    """The least and the most, in minor units, both allowed."""

    min_minor: int
    max_minor: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one table in one currency.

    Construction refuses with ``LIMITS_INVALID`` (data: ``field``, ``why``), since staff type them.
    """

    currency: str
    chip_step_minor: int  # every stake is a multiple of it
    table: Span  # one player's total in one round
    positions: Mapping[BetKind, Span]  # every kind is listed

    def __post_init__(self) -> None:
        scale(self.currency)
        _whole("chip_step_minor", self.chip_step_minor)
        if set(self.positions) != set(BetKind):
            raise _invalid("positions", "every kind of bet is listed")
        object.__setattr__(self, "positions", MappingProxyType(dict(self.positions)))
        for name, span in [("table", self.table), *self.positions.items()]:
            self._check(str(name), span)

    def _check(self, name: str, span: Span) -> None:
        _whole(f"{name}.min_minor", span.min_minor)
        _whole(f"{name}.max_minor", span.max_minor)
        if span.min_minor > span.max_minor:
            raise _invalid(name, "the minimum is not above the maximum")
        if span.min_minor % self.chip_step_minor or span.max_minor % self.chip_step_minor:
            raise _invalid(name, "both are multiples of the chip step")
        if span.min_minor > self.table.max_minor:
            raise _invalid(name, "the minimum fits under the table's maximum")

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; :meth:`from_dict` gives the same limits back."""
        return {
            "currency": self.currency,
            "chip_step_minor": self.chip_step_minor,
            "table": _span_dict(self.table),
            "positions": {str(kind): _span_dict(self.positions[kind]) for kind in BetKind},
        }

    @classmethod
    def from_dict(cls, stored: object) -> Limits:
        """Limits from stored JSON, strictly: no key missing, none unknown, whole numbers only.

        Refuses with ``LIMITS_INVALID`` or ``MoneyCode.UNKNOWN_CURRENCY``.
        """
        fields = _keys("limits", stored, ("currency", "chip_step_minor", "table", "positions"))
        currency = fields["currency"]
        if not isinstance(currency, str):
            raise _invalid("currency", "a text")
        kinds = _keys("positions", fields["positions"], tuple(map(str, BetKind)))
        return cls(
            currency=currency,
            chip_step_minor=_whole("chip_step_minor", fields["chip_step_minor"]),
            table=_span("table", fields["table"]),
            positions={BetKind(kind): _span(kind, span) for kind, span in kinds.items()},
        )


def check_slip(
    limits: Limits, existing: Mapping[Position, int], slip: Sequence[tuple[Position, int]]
) -> None:
    """Return when ``slip`` may be added to what the player has in the round, else refuse.

    ``existing`` and the slip's stakes are minor units of ``limits.currency``. The slip is taken
    whole or refused whole, with the first fault found: ``EMPTY_SLIP``, ``TOO_MANY_STAKES``; naming
    the position, ``BELOW_MINIMUM``, ``OFF_CHIP_STEP``, ``ABOVE_POSITION_MAXIMUM``; then
    ``BELOW_TABLE_MINIMUM``, ``ABOVE_TABLE_MAXIMUM``. Stakes are ints, or it is a bug.
    """
    if not slip:
        raise Refused(RulesCode.EMPTY_SLIP)
    if len(slip) > STAKES_MAX:
        raise Refused(RulesCode.TOO_MANY_STAKES, count=len(slip), max=STAKES_MAX)
    ensure(all(stake > 0 for stake in existing.values()), "accepted stakes are positive")
    for position, stake_minor in _summed(slip, limits).items():
        _check_position(limits, position, stake_minor, existing.get(position, 0))
    total_minor = sum(existing.values()) + sum(stake for _, stake in slip)
    if total_minor < limits.table.min_minor:
        raise Refused(
            RulesCode.BELOW_TABLE_MINIMUM,
            stake_minor=total_minor,
            min_minor=limits.table.min_minor,
            currency=limits.currency,
        )
    if total_minor > limits.table.max_minor:
        raise Refused(
            RulesCode.ABOVE_TABLE_MAXIMUM,
            stake_minor=total_minor,
            max_minor=limits.table.max_minor,
            currency=limits.currency,
        )


def _summed(slip: Iterable[tuple[Position, int]], limits: Limits) -> dict[Position, int]:
    """The slip's stake per position; every single stake is positive and a multiple of the step."""
    sums: dict[Position, int] = {}
    for position, stake_minor in slip:
        ensure(type(stake_minor) is int, "stakes are whole minor units", got=stake_minor)
        if stake_minor <= 0:
            raise Refused(
                RulesCode.BELOW_MINIMUM,
                position=position.code,
                stake_minor=stake_minor,
                min_minor=limits.positions[position.kind].min_minor,
                currency=limits.currency,
            )
        if stake_minor % limits.chip_step_minor:
            raise Refused(
                RulesCode.OFF_CHIP_STEP,
                position=position.code,
                stake_minor=stake_minor,
                step_minor=limits.chip_step_minor,
                currency=limits.currency,
            )
        sums[position] = sums.get(position, 0) + stake_minor
    return sums


def _check_position(
    limits: Limits, position: Position, stake_minor: int, existing_minor: int
) -> None:
    span = limits.positions[position.kind]
    if stake_minor < span.min_minor:
        raise Refused(
            RulesCode.BELOW_MINIMUM,
            position=position.code,
            stake_minor=stake_minor,
            min_minor=span.min_minor,
            currency=limits.currency,
        )
    if existing_minor + stake_minor > span.max_minor:
        raise Refused(
            RulesCode.ABOVE_POSITION_MAXIMUM,
            position=position.code,
            stake_minor=existing_minor + stake_minor,
            max_minor=span.max_minor,
            currency=limits.currency,
        )


#: The smallest chip of the demo tables, in minor units. A currency without one has no demo limits.
_DEMO_UNIT_MINOR: Final = {
    "CAD": 50,
    "CHF": 50,
    "DKK": 500,
    "EUR": 50,
    "GBP": 50,
    "JPY": 100,
    "NOK": 500,
    "PLN": 200,
    "SEK": 500,
    "USD": 50,
}

#: Demo maxima in chips: 50.00 EUR straight up, 500.00 EUR on an even chance and in all. Ours, in
#: the proportions that tables publish (about 50.00 per number covered); an operator sets his own.
_DEMO_MAX_CHIPS: Final = {
    BetKind.STRAIGHT: 100,
    BetKind.SPLIT: 200,
    BetKind.STREET: 300,
    BetKind.TRIO: 300,
    BetKind.CORNER: 400,
    BetKind.FIRST_FOUR: 400,
    BetKind.SIX_LINE: 600,
    BetKind.COLUMN: 800,
    BetKind.DOZEN: 800,
    BetKind.RED: 1000,
    BetKind.BLACK: 1000,
    BetKind.EVEN: 1000,
    BetKind.ODD: 1000,
    BetKind.LOW: 1000,
    BetKind.HIGH: 1000,
}
_DEMO_TABLE_MAX_CHIPS: Final = 1000


def default_limits(currency: str) -> Limits:
    """The demo tables' limits; refuses a currency we do not know (``UNKNOWN_CURRENCY``)."""
    scale(currency)
    unit = _DEMO_UNIT_MINOR[currency]
    return Limits(
        currency=currency,
        chip_step_minor=unit,
        table=Span(unit, unit * _DEMO_TABLE_MAX_CHIPS),
        positions={kind: Span(unit, unit * chips) for kind, chips in _DEMO_MAX_CHIPS.items()},
    )


def _invalid(field: str, why: str) -> Refused:
    return Refused(RulesCode.LIMITS_INVALID, field=field, why=why)


def _whole(field: str, value: object) -> int:
    if type(value) is not int or not 0 < value <= AMOUNT_MAX_MINOR:  # bool is an int, hence type()
        raise _invalid(field, "a positive whole number of minor units")
    return value


def _keys(field: str, value: object, names: Sequence[str]) -> dict[str, object]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise _invalid(field, f"exactly the keys {', '.join(sorted(names))}")
    return value


def _span(field: str, value: object) -> Span:
    fields = _keys(field, value, ("min_minor", "max_minor"))
    return Span(
        _whole(f"{field}.min_minor", fields["min_minor"]),
        _whole(f"{field}.max_minor", fields["max_minor"]),
    )


def _span_dict(span: Span) -> dict[str, int]:
    return {"min_minor": span.min_minor, "max_minor": span.max_minor}

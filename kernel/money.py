"""Money in integer minor units with its currency. No floats, no decimals.

Arithmetic between currencies is a bug and raises ``InvariantBroken``. Text is parsed and
written only at the edges: :func:`parse` here, locale-aware display in the page templates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.invariant import ensure
from kernel.refusal import Refused

#: Minor-unit digits, ISO 4217:2015 table A.1. An unlisted currency is refused, never guessed.
SCALES: Final[dict[str, int]] = {
    "CAD": 2,
    "CHF": 2,
    "DKK": 2,
    "EUR": 2,
    "GBP": 2,
    "JPY": 0,
    "NOK": 2,
    "PLN": 2,
    "SEK": 2,
    "USD": 2,
}

#: What a PostgreSQL ``bigint`` holds; sums are checked against it before they reach the database.
MINOR_MAX: Final = 2**63 - 1

_AMOUNT = re.compile(r"^(?P<major>\d{1,15})(?:[.,](?P<minor>\d{1,4}))?$")


class MoneyCode(StrEnum):
    """Why a text or a currency is not money."""

    UNKNOWN_CURRENCY = "unknown_currency"
    NOT_AN_AMOUNT = "not_an_amount"
    TOO_MANY_DECIMALS = "too_many_decimals"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """``minor`` minor units of ``currency`` (cents for EUR). May be negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        ensure(type(self.minor) is int, "money is counted in whole minor units", got=self.minor)
        ensure(-MINOR_MAX <= self.minor <= MINOR_MAX, "amount beyond bigint", got=self.minor)

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, currency)

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __mul__(self, times: int) -> Money:
        ensure(type(times) is int, "money is multiplied by whole numbers", got=times)
        return Money(self.minor * times, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __gt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor > other.minor

    def __ge__(self, other: Money) -> bool:
        self._same(other)
        return self.minor >= other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"

    def decimal(self) -> str:
        """The amount as a plain decimal string for files and APIs: ``-6.50``, never grouped."""
        digits = scale(self.currency)
        sign = "-" if self.minor < 0 else ""
        text = str(abs(self.minor)).rjust(digits + 1, "0")
        return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"

    def split(self, parts: int) -> list[Money]:
        """``parts`` amounts that differ by at most one minor unit and sum exactly to this one."""
        ensure(parts > 0, "money is split into at least one part", got=parts)
        share, rest = divmod(self.minor, parts)
        return [Money(share + (1 if i < rest else 0), self.currency) for i in range(parts)]

    def _same(self, other: Money) -> None:
        ensure(
            self.currency == other.currency,
            "currencies are never mixed",
            left=self.currency,
            right=other.currency,
        )


def scale(currency: str) -> int:
    """Minor-unit digits of ``currency``; ``Refused(UNKNOWN_CURRENCY)`` where we do not know it."""
    try:
        return SCALES[currency]
    except KeyError:
        raise Refused(MoneyCode.UNKNOWN_CURRENCY, currency=currency) from None


def parse(text: str, currency: str) -> Money:
    """Money from what a person typed (``12``, ``12.5``, ``12,50``), exact.

    Refuses with ``NOT_AN_AMOUNT`` (signs, grouping, letters) or ``TOO_MANY_DECIMALS``; it never
    rounds, since a rounded stake is not the stake that was asked for.
    """
    digits = scale(currency)
    found = _AMOUNT.match(text.strip())
    if found is None:
        raise Refused(MoneyCode.NOT_AN_AMOUNT, text=text[:32])
    fraction = found["minor"] or ""
    if len(fraction) > digits:
        raise Refused(MoneyCode.TOO_MANY_DECIMALS, text=text[:32], digits=digits)
    return Money(int(found["major"] + fraction.ljust(digits, "0")), currency)


def total(amounts: Sequence[Money], currency: str) -> Money:
    """The sum of ``amounts``, all of which must be of ``currency``."""
    result = Money.zero(currency)
    for amount in amounts:
        result += amount
    return result

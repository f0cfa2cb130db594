"""Money as people read it, in whatever language they read: the one place that writes it so.

Pure: the language is told. Files and APIs write plain decimals (`kernel.money.Money.decimal`).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from babel.core import Locale, UnknownLocaleError
from babel.numbers import format_currency

from kernel.money import Money

MINUS: Final = "\N{MINUS SIGN}"
#: English pages write "Thu 20 Nov" and the sign before the amount, as in the British locale.
_LOCALES: Final = {"en": "en_GB"}


@cache
def locale_of(language: str) -> Locale:
    """How people of ``language`` (``en``, ``de``, ``pt-br``) write; as in Britain where unknown."""
    name = _LOCALES.get(language, language)
    try:
        return Locale.parse(name, sep="_" if "_" in name else "-")
    except (UnknownLocaleError, ValueError):
        return Locale("en", "GB")


def written(amount: Money, language: str) -> str:
    """`123450` of EUR as ``€1,234.50`` or ``1.234,50 €``, exact; minor units are always there.

    The minus is the true one (U+2212) and stands before the sign of the currency.
    """
    size = Money(abs(amount.minor), amount.currency).decimal()
    text = format_currency(size, amount.currency, locale=locale_of(language))
    return f"{MINUS if amount.minor < 0 else ''}{text}"

"""Money, time, shares and countries in the reader's language, for pages.

Amounts arrive in minor units. The minus is the true one (U+2212) and stands before the currency
sign; a plus is written only for a net result. Minor units are always shown, except by `limit`.
Times are shown in the active time zone, on 24 hours. An empty value gives an empty text.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from babel.core import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
)
from django import template
from django.utils import timezone
from django.utils.translation import get_language

from kernel.clock import SystemClock
from kernel.money import Money, scale
from kernel.written import MINUS, locale_of, written

register = template.Library()

#: Languages that write the day of a month as an ordinal number.
_DAY_WITH_POINT = frozenset({"de", "da", "nb", "fi", "cs"})


def _locale() -> Locale:
    return locale_of(get_language() or "en")


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-scale(currency))


def _amount(minor: int, currency: str) -> str:
    return written(Money(minor, currency), get_language() or "en")


@register.filter
def money(minor: int | None, currency: str) -> str:
    """`123450` of EUR as `€1,234.50`; `-650` as `−€6.50`. Minor units always shown."""
    if not isinstance(minor, int):
        return ""
    return _amount(minor, currency)


def writing(currency: str) -> dict[str, str | int]:
    """How amounts of ``currency`` are written now, for scripts: what stands around the digits,
    their signs and how many are minor. A script's own table of locales costs a phone 250 ms."""
    zero = _amount(0, currency)
    first, last = zero.index("0"), zero.rindex("0")
    return {
        "before": zero[:first],
        "after": zero[last + 1 :],
        "decimal": get_decimal_symbol(_locale()),
        "group": get_group_symbol(_locale()),
        "digits": scale(currency),
    }


@register.filter
def net(minor: int | None, currency: str) -> str:
    """A net result, signed both ways: `+€14.00`, `−€6.50`, and `€0.00` without a sign."""
    if not isinstance(minor, int):
        return ""
    return f"{'+' if minor > 0 else ''}{money(minor, currency)}"


@register.filter
def limit(minor: int | None, currency: str) -> str:
    """A limit, without empty minor units: `€500`, `€0.50`."""
    if not isinstance(minor, int):
        return ""
    major = _major(minor, currency)
    if major != major.to_integral_value():
        return _amount(minor, currency)
    pattern = _locale().currency_formats["standard"].pattern.replace("0.00", "0")
    return format_currency(major, currency, pattern, locale=_locale(), currency_digits=False)


@register.filter
def chip_label(minor: int, currency: str) -> str:
    """What is printed on a chip: `50c`, `5`, `2.50`, `1k`."""
    major = _major(minor, currency)
    if 0 < major < 1 and scale(currency) == 2:
        return f"{minor}c"
    if major >= 1000 and major % 100 == 0:
        return format_compact_decimal(major, locale="en", fraction_digits=1).lower()
    if major == major.to_integral_value():
        return str(int(major))
    return format_decimal(major, format="0.00", locale=_locale())


@register.filter
def whole(count: int | None) -> str:
    """A count with the reader's grouping: `1,204,317`."""
    return format_decimal(count, locale=_locale()) if isinstance(count, int) else ""


@register.filter
def percent(share: Fraction | Decimal | str | None) -> str:
    """An exact share as a percentage with two decimals: 1/37 as `2.70%`. Text stays as it is."""
    if isinstance(share, str):
        return share
    if not isinstance(share, Fraction | Decimal):
        return ""
    exact = Fraction(share)
    value = Decimal(exact.numerator) / Decimal(exact.denominator)
    text = format_percent(value, format="#,##0.00%", locale=_locale())
    return text.replace("-", MINUS)


@register.filter
def duration(length: timedelta | int | None) -> str:
    """A length of time (timedelta, or whole seconds) as `0:42:17`."""
    if not isinstance(length, int | timedelta):
        return ""
    seconds = length // timedelta(seconds=1) if isinstance(length, timedelta) else length
    seconds = max(0, seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@register.filter
def elapsed(since: datetime | None) -> str:
    """The time gone since `since`, as `0:42:17`."""
    return "" if not since else duration(SystemClock().now() - since)


@register.filter
def seconds_left(ms: int | None) -> str:
    """Milliseconds as whole seconds, rounded up, so that 0 is shown only when time is over."""
    return str(max(0, -(-ms // 1000))) if isinstance(ms, int) else ""


def _pattern(pattern: str) -> str:
    """`d MMM` as this language writes it: "20 Nov" or "20. Nov"."""
    return pattern.replace("d ", "d. ") if _locale().language in _DAY_WITH_POINT else pattern


def _written(at: datetime | None, pattern: str) -> str:
    if not at:
        return ""
    return format_datetime(timezone.localtime(at), _pattern(pattern), locale=_locale())


@register.filter
def clock_time(at: datetime | None) -> str:
    """`21:09:52`."""
    return _written(at, "HH:mm:ss")


@register.filter
def clock_exact(at: datetime | None) -> str:
    """`21:09:52.410`, for evidence."""
    return _written(at, "HH:mm:ss.SSS")


@register.filter
def day_time(at: datetime | None) -> str:
    """`Thu 20 Nov, 21:14`."""
    return _written(at, "EEE d MMM, HH:mm").replace(".,", ",")


@register.filter
def day(on: date | None) -> str:
    """A calendar day: `28 February 1990`."""
    return format_date(on, _pattern("d MMMM y"), locale=_locale()) if on else ""


@register.filter
def country(code: str | None) -> str:
    """A country by its two letters: `DE` as `Germany`."""
    return str(_locale().territories.get(code or "", code or ""))


@register.filter
def moment(at: datetime | None) -> str:
    """A full instant with its zone, for receipts: `20 Nov 2025, 21:14:06 UTC`."""
    if not at:
        return ""
    zone = timezone.localtime(at).tzname() or ""
    return f"{_written(at, 'd MMM y, HH:mm:ss')} {zone}".strip()

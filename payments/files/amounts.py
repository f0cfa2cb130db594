"""Amounts as files write them, to minor units: exactly, or with the reason why not.

Nothing is rounded: decimals beyond the currency's own must be zeros. The columnar engine reads the
same texts by `pattern`; a test holds both against each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kernel.money import MINOR_MAX, SCALES
from payments.files.words import FileCode

#: Digits before the mark (a bigint has 19), and after it with their zeros.
MAJOR_DIGITS: Final = 19
DECIMALS: Final = 10


class BadAmount(Exception):
    """The text is no amount of this currency; ``code`` says why."""

    def __init__(self, code: FileCode) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Numbers:
    """How a file writes numbers. ``unsigned``: the sign stands elsewhere, never at the number.

    ``open_end``: ``12,`` is a number too, as SWIFT writes it.
    """

    decimal: str = "."
    thousands: str = ""
    unsigned: bool = False
    open_end: bool = False


def pattern(numbers: Numbers) -> str:
    """The regular expression (RE2 and Python alike) that a whole amount matches."""
    return _pattern(numbers, f"{{1,{MAJOR_DIGITS}}}", f"{DECIMALS}")


def _pattern(numbers: Numbers, major: str, decimals: str) -> str:
    sign = "" if numbers.unsigned else "[+-]?"
    whole = f"[0-9]{major}"
    if numbers.thousands:
        groups = MAJOR_DIGITS // 3 if decimals else ""
        whole = (
            f"(?:{whole}|[0-9]{{1,3}}(?:{re.escape(numbers.thousands)}[0-9]{{3}}){{1,{groups}}})"
        )
    least = 0 if numbers.open_end else 1
    return f"{sign}{whole}(?:{re.escape(numbers.decimal)}[0-9]{{{least},{decimals}}})?"


@lru_cache(maxsize=64)
def _compiled(numbers: Numbers) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(pattern(numbers)), re.compile(_pattern(numbers, "+", ""))


def minor(text: str, currency: str, numbers: Numbers = Numbers()) -> int:
    """``text`` in minor units of ``currency``, which must be one of ours.

    Raises ``BadAmount``: NOT_AN_AMOUNT, AMOUNT_SIGNED, TOO_MANY_DECIMALS or AMOUNT_TOO_LARGE.
    """
    digits = SCALES[currency]
    given = text.strip(" ")
    bounded, any_length = _compiled(numbers)
    if bounded.fullmatch(given) is None:
        raise BadAmount(_why(given, numbers, any_length))
    plain = given.replace(numbers.thousands, "") if numbers.thousands else given
    major, _, decimals = plain.partition(numbers.decimal)
    if decimals[digits:].strip("0"):
        raise BadAmount(FileCode.TOO_MANY_DECIMALS)
    found = int(major + decimals[:digits].ljust(digits, "0"))
    if abs(found) > MINOR_MAX:
        raise BadAmount(FileCode.AMOUNT_TOO_LARGE)
    return found


def _why(given: str, numbers: Numbers, any_length: re.Pattern[str]) -> FileCode:
    if numbers.unsigned and given[:1] in {"+", "-"}:
        return FileCode.AMOUNT_SIGNED
    if any_length.fullmatch(given) is None:
        return FileCode.NOT_AN_AMOUNT
    major = given.partition(numbers.decimal)[0]
    long = sum(one.isdigit() for one in major) > MAJOR_DIGITS
    return FileCode.AMOUNT_TOO_LARGE if long else FileCode.TOO_MANY_DECIMALS

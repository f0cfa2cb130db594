"""What each register's facts have to look like, and that they go with the person. Pure.

A register says "not excluded" of a number that is nobody's, and of somebody else's as well. So a
number is looked at before it is sent: its form, its check digit where there is one, and the birth
date that stands in it, which has to be the account's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Final

from compliance.jurisdictions import Jurisdiction
from compliance.registries.clients import CLIENTS, is_personal_number
from compliance.registries.protocol import Fact
from kernel.refusal import Refused

CHARS_MAX: Final = 150


class FactCode(StrEnum):
    """Why a fact is not taken; each refusal names its ``field``."""

    MISSING = "fact_missing"
    TOO_LONG = "fact_too_long"
    NO_NAME = "fact_no_name"
    NO_POSTCODE = "fact_no_postcode"
    NO_NUMBER = "fact_no_number"
    OTHER_BIRTH = "fact_other_birth"


_POSTCODE: Final = re.compile(r"(GIR|[A-Z]{1,2}[0-9][A-Z0-9]?)([0-9][ABD-HJLNP-UW-Z]{2})")
#: Added to the day in a Swedish coordination number.
_COORDINATION: Final = 60


def taken(policy: Jurisdiction, fact: Fact, text: str, born: date) -> str:
    """``text`` as it is kept for the register of ``policy``. Refuses with a `FactCode`."""
    plain = " ".join(text.split())
    if not plain:
        raise Refused(FactCode.MISSING, field=fact.value)
    if len(plain) > CHARS_MAX:
        raise Refused(FactCode.TOO_LONG, field=fact.value, chars_max=CHARS_MAX)
    read = _READERS.get((policy.registry, fact))
    return _name(fact, plain) if read is None else read(fact, plain, born)


def lacking(policy: Jurisdiction, known: Mapping[Fact, str], born: date) -> tuple[Fact, ...]:
    """What the register of ``policy`` needs and what is not known, or cannot be this person's."""
    client = CLIENTS.get(policy.registry)
    needed = () if client is None else client.needs
    return tuple(one for one in needed if not _is_fine(policy, one, known.get(one, ""), born))


def _is_fine(policy: Jurisdiction, fact: Fact, text: str, born: date) -> bool:
    try:
        taken(policy, fact, text, born)
    except Refused:
        return False
    return True


def _name(fact: Fact, text: str) -> str:
    if not any(letter.isalpha() for letter in text):
        raise Refused(FactCode.NO_NAME, field=fact.value)
    return text


def _postcode(fact: Fact, text: str, _born: date) -> str:
    """Outward and inward part, as the Royal Mail writes them: ``SW1A 1AA``."""
    found = _POSTCODE.fullmatch(text.upper().replace(" ", ""))
    if found is None:
        raise Refused(FactCode.NO_POSTCODE, field=fact.value)
    return f"{found[1]} {found[2]}"


def _swedish(fact: Fact, text: str, born: date) -> str:
    """Twelve digits with Luhn's digit last; of ten, the century is that of the birth date."""
    digits = _digits(text)
    if len(digits) == 10:
        digits = f"{born.year // 100:02d}{digits}"
    if not is_personal_number(digits):
        raise Refused(FactCode.NO_NUMBER, field=fact.value)
    day = int(digits[6:8])
    day -= _COORDINATION if day > _COORDINATION else 0
    if (int(digits[:4]), int(digits[4:6]), day) != (born.year, born.month, born.day):
        raise Refused(FactCode.OTHER_BIRTH, field=fact.value)
    return digits


def _danish(fact: Fact, text: str, born: date) -> str:
    """Ten digits ``DDMMYYNNNN``. Their check digit was given up in 2007, so none is asked for."""
    digits = _digits(text)
    if len(digits) != 10:
        raise Refused(FactCode.NO_NUMBER, field=fact.value)
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    if (_century(int(digits[6]), year) + year, month, day) != (born.year, born.month, born.day):
        raise Refused(FactCode.OTHER_BIRTH, field=fact.value)
    return digits


def _century(seventh: int, year: int) -> int:
    """The century that a CPR number's seventh digit says, for a year of two digits."""
    if seventh <= 3:
        return 1900
    if seventh in {4, 9}:
        return 2000 if year <= 36 else 1900
    return 2000 if year <= 57 else 1800


def _digits(text: str) -> str:
    """The digits of a number that is written with blanks or one dash; nothing for other text."""
    plain = re.sub(r"[ \-–]", "", text)
    return plain if re.fullmatch(r"[0-9]+", plain) else ""


_READERS: Final[dict[tuple[str, Fact], Callable[[Fact, str, date], str]]] = {
    ("gamstop", Fact.POSTCODE): _postcode,
    ("spelpaus", Fact.NATIONAL_NUMBER): _swedish,
    ("rofus", Fact.NATIONAL_NUMBER): _danish,
}

"""The machine readable zone of a travel document, as ICAO Doc 9303 parts 3 to 7 write it. Pure.

Reads TD1 (3 × 30), TD2 (2 × 36), TD3 (2 × 44) and visas (MRV-A, MRV-B) from typed or recognised
text, checks every check digit, and says which failed instead of giving up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from kernel.refusal import Refused

#: Nobody has ever been proven older than 122; whoever would be 120 is a wrong century.
AGE_BELOW: Final = 120
#: An expiry further ahead than this belongs to the century before.
EXPIRY_YEARS_AHEAD: Final = 50
TEXT_MAX: Final = 2_000

FILL: Final = "<"
_ALLOWED: Final = re.compile(r"[A-Z0-9<]+")
#: What recognition takes for a filler, and letters it takes for digits and the reverse.
_FILLERS: Final = str.maketrans({"«": "<<", "‹": "<", "〈": "<", "＜": "<", "≤": "<"})
_TO_DIGIT: Final = str.maketrans("OQDILZSGB", "000112568")
_TO_LETTER: Final = str.maketrans("01258", "OIZSB")
_WEIGHTS: Final = (7, 3, 1)


class MrzCode(StrEnum):
    """Why a text is not a machine readable zone."""

    EMPTY = "mrz_empty"
    TOO_LONG = "mrz_too_long"
    NOT_A_ZONE = "mrz_not_a_zone"


class Format(StrEnum):
    """The five layouts."""

    TD1 = "TD1"
    TD2 = "TD2"
    TD3 = "TD3"
    MRV_A = "MRV-A"
    MRV_B = "MRV-B"


@dataclass(frozen=True, slots=True)
class Mrz:
    """One zone, read. ``failed`` names the fields whose check digit is wrong.

    ``births`` are the dates the two-digit year allows, the latest first; empty where the field is
    no date. ``expires`` likewise is None. ``is_corrected``: letters stood where digits belong, or
    the reverse, and were read as the others. ``is_cut``: the name fills its field to the end.
    """

    format: Format
    document_code: str
    issuer: str
    number: str
    nationality: str
    births: tuple[date, ...]
    sex: str
    expires: date | None
    surname: str
    given: str
    optional: str
    failed: tuple[str, ...]
    is_cut: bool
    is_corrected: bool

    @property
    def is_sound(self) -> bool:
        """Every check digit holds and both dates are dates."""
        return not self.failed and bool(self.births) and self.expires is not None

    def born_on(self, day: date) -> bool:
        """Whether ``day`` is what the two-digit birth date can mean."""
        return day in self.births


def check_digit(text: str) -> str:
    """ICAO 9303-3, 4.9: digits as they are, A to Z 10 to 35, filler 0; weighted 7-3-1, mod 10."""
    total = sum(_value(letter) * _WEIGHTS[at % 3] for at, letter in enumerate(text))
    return str(total % 10)


def _value(letter: str) -> int:
    if letter == FILL:
        return 0
    return int(letter) if letter.isdigit() else ord(letter) - ord("A") + 10


def births(yymmdd: str, today: date) -> tuple[date, ...]:
    """Dates ``yymmdd`` can mean: not in the future, age below 120; the latest first.

    29 February counts only in leap years. Nothing for a date that none is.
    """
    found = []
    for century in (today.year // 100 * 100, today.year // 100 * 100 - 100):
        day = _day(yymmdd, century)
        if day is not None and day <= today and _age(day, today) < AGE_BELOW:
            found.append(day)
    return tuple(found)


def expiry(yymmdd: str, today: date) -> date | None:
    """The date ``yymmdd`` means as an expiry: at most fifty years ahead, else a century earlier."""
    century = today.year // 100 * 100
    day = _day(yymmdd, century)
    if day is not None and day.year > today.year + EXPIRY_YEARS_AHEAD:
        return _day(yymmdd, century - 100)
    return day


def _day(yymmdd: str, century: int) -> date | None:
    if not re.fullmatch(r"[0-9]{6}", yymmdd):
        return None
    try:
        return date(century + int(yymmdd[:2]), int(yymmdd[2:4]), int(yymmdd[4:]))
    except ValueError:
        return None


def _age(birth: date, today: date) -> int:
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def read(text: str, today: date) -> Mrz:
    """The zone in ``text``, which may hold other lines, spaces and small letters.

    Refuses with ``EMPTY``, ``TOO_LONG`` or ``NOT_A_ZONE``; a wrong check digit is no refusal.
    """
    if not text.strip():
        raise Refused(MrzCode.EMPTY)
    if len(text) > TEXT_MAX:
        raise Refused(MrzCode.TOO_LONG, chars_max=TEXT_MAX)
    lines = _lines(text)
    if len(lines) == 3:
        return _td1(lines, today)
    return _two_lines(lines, today)


def _lines(text: str) -> list[str]:
    """The two or three lines of a zone: those of the right lengths, or all text in one piece."""
    cleaned = text.upper().translate(_FILLERS)
    rows = [re.sub(r"\s+", "", row) for row in cleaned.splitlines()]
    rows = [row for row in rows if row and _ALLOWED.fullmatch(row)]
    for length, count in ((30, 3), (44, 2), (36, 2)):
        for at in range(len(rows) - count + 1):
            part = rows[at : at + count]
            if all(len(row) == length for row in part):
                return part
    whole = "".join(rows)
    for length, count in ((30, 3), (44, 2), (36, 2)):
        if len(whole) == length * count:
            return [whole[at * length : (at + 1) * length] for at in range(count)]
    raise Refused(MrzCode.NOT_A_ZONE)


class _Reader:
    """Takes fields, mends digits and letters, and keeps what failed."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.failed: list[str] = []
        self.is_corrected = False

    def digits(self, text: str) -> str:
        return self._mended(text, text.translate(_TO_DIGIT))

    def letters(self, text: str) -> str:
        return self._mended(text, text.translate(_TO_LETTER))

    def _mended(self, was: str, now: str) -> str:
        self.is_corrected = self.is_corrected or was != now
        return now

    def checked(self, name: str, field: str, digit: str, *, may_be_blank: bool = False) -> None:
        if may_be_blank and digit == FILL and not field.strip(FILL):
            return
        if check_digit(field) != digit:
            self.failed.append(name)

    def number(self, field: str, digit: str, optional: str) -> tuple[str, str]:
        """The document's number and what is left of the optional data.

        Longer than nine: the digit is a filler, and number and digit go on in the optional data.
        """
        if digit != FILL:
            self.checked("number", field, self.digits(digit))
            return field.rstrip(FILL), optional
        rest, _, left = optional.partition(FILL)
        if not rest:
            self.failed.append("number")
            return field.rstrip(FILL), optional
        whole = field + rest[:-1]
        self.checked("number", whole, self.digits(rest[-1]))
        return whole, left


def _names(reader: _Reader, field: str) -> tuple[str, str]:
    surname, _, given = reader.letters(field).partition("<<")
    return _plain(surname), _plain(given)


def _plain(text: str) -> str:
    return " ".join(text.replace(FILL, " ").split())


def _td1(lines: list[str], today: date) -> Mrz:
    first, second, third = lines
    reader = _Reader(today)
    birth, sex, expires = _dates(reader, second[0:7], second[7], second[8:15])
    number, optional = reader.number(first[5:14], first[14], first[15:30])
    composite = first[5:30] + birth + expires + second[18:29]
    reader.checked("composite", composite, reader.digits(second[29]))
    surname, given = _names(reader, third)
    return Mrz(
        format=Format.TD1,
        document_code=first[0:2].rstrip(FILL),
        issuer=reader.letters(first[2:5]).rstrip(FILL),
        number=number,
        nationality=reader.letters(second[15:18]).rstrip(FILL),
        births=births(birth[:6], today),
        sex=sex,
        expires=expiry(expires[:6], today),
        surname=surname,
        given=given,
        optional=_plain(optional + FILL + second[18:29]),
        failed=tuple(reader.failed),
        is_cut=not third.endswith(FILL),
        is_corrected=reader.is_corrected,
    )


def _dates(reader: _Reader, birth: str, sex: str, expires: str) -> tuple[str, str, str]:
    """Both dates with their digits, as digits; wrong ones are noted."""
    born, until = reader.digits(birth), reader.digits(expires)
    reader.checked("birth", born[:6], born[6])
    reader.checked("expires", until[:6], until[6])
    return born, "X" if sex == FILL else sex, until


def _two_lines(lines: list[str], today: date) -> Mrz:
    first, second = lines
    is_long, is_visa = len(first) == 44, first.startswith("V")
    layout = (
        (Format.MRV_A if is_long else Format.MRV_B)
        if is_visa
        else (Format.TD3 if is_long else Format.TD2)
    )
    reader = _Reader(today)
    birth, sex, expires = _dates(reader, second[13:20], second[20], second[21:28])
    optional = second[28:35] if layout is Format.TD2 else second[28:]
    if layout is Format.TD3:
        optional = second[28:42]
        reader.checked("optional", optional, reader.digits(second[42]), may_be_blank=True)
    if layout is Format.TD2:
        number, optional = reader.number(second[0:9], second[9], optional)
    else:
        number = second[0:9].rstrip(FILL)
        reader.checked("number", second[0:9], reader.digits(second[9]))
    if not is_visa:
        # the digit of the number as it was read, so that O for 0 does not fail twice
        mended = second[0:9] + second[9].translate(_TO_DIGIT)
        composite = mended + birth + expires + second[28:-1]
        reader.checked("composite", composite, reader.digits(second[-1]))
    surname, given = _names(reader, first[5:])
    return Mrz(
        format=layout,
        document_code=first[0:2].rstrip(FILL),
        issuer=reader.letters(first[2:5]).rstrip(FILL),
        number=number,
        nationality=reader.letters(second[10:13]).rstrip(FILL),
        births=births(birth[:6], today),
        sex=sex,
        expires=expiry(expires[:6], today),
        surname=surname,
        given=given,
        optional=_plain(optional),
        failed=tuple(reader.failed),
        is_cut=not first.endswith(FILL),
        is_corrected=reader.is_corrected,
    )

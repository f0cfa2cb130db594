"""Do two spellings name the same person? Transliterated as ICAO 9303-3 section 6 does. Pure.

A zone writes Müller as MUELLER or MULLER, drops apostrophes, and cuts what does not fit; an account
leaves middle names out. The answer is one of three words, for a person to look at.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final


class Likeness(StrEnum):
    """How far two names agree."""

    SAME = "same"
    PART = "part"  # every word of the shorter is in the longer: a middle name is missing
    DIFFERENT = "different"


#: Letters that a zone may write longer; the plain letter is accepted as well.
_LONGER: Final = {
    "Ä": "AE", "Ö": "OE", "Ü": "UE", "ẞ": "SS", "ß": "SS", "Å": "AA", "Æ": "AE", "Ø": "OE",
    "Œ": "OE", "Þ": "TH", "Ð": "D", "Đ": "D", "Ł": "L", "Ħ": "H", "Ŋ": "N", "Ŧ": "T", "ı": "I",
    "İ": "I", "Ĳ": "IJ", "Ñ": "NXX",
}  # fmt: skip
_SHORTER: Final = {
    "Ä": "A", "Ö": "O", "Ü": "U", "ẞ": "SS", "ß": "SS", "Å": "A", "Æ": "AE", "Ø": "O", "Œ": "OE",
    "Þ": "TH", "Ð": "D", "Đ": "D", "Ł": "L", "Ħ": "H", "Ŋ": "N", "Ŧ": "T", "ı": "I", "İ": "I",
    "Ĳ": "IJ", "Ñ": "N",
}  # fmt: skip
_CYRILLIC: Final = dict(zip(
    "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯІЇЄҐЎЈЉЊЋЏЂЌЅ", [
        "A", "B", "V", "G", "D", "E", "E", "ZH", "Z", "I", "I", "K", "L", "M", "N", "O", "P", "R",
        "S", "T", "U", "F", "KH", "TS", "CH", "SH", "SHCH", "IE", "Y", "-", "E", "IU", "IA", "I",
        "I", "IE", "G", "U", "J", "LJ", "NJ", "C", "DZ", "D", "K", "DZ",
    ], strict=True,
))  # fmt: skip
_GREEK: Final = dict(zip(
    "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ", [
        "A", "V", "G", "D", "E", "Z", "I", "TH", "I", "K", "L", "M", "N", "X", "O", "P", "R", "S",
        "T", "Y", "F", "CH", "PS", "O",
    ], strict=True,
))  # fmt: skip
_APOSTROPHES: Final = re.compile(r"['’ʼ`´.]")


def words(name: str) -> list[frozenset[str]]:
    """Each word of ``name`` with the spellings that stand for it, in Latin capitals."""
    cleaned = _APOSTROPHES.sub("", unicodedata.normalize("NFC", name)).replace("ß", "ẞ").upper()
    return [
        frozenset({_latin(word, _LONGER), _latin(word, _SHORTER)} - {""})
        for word in re.split(r"[\W\d_]+", cleaned)
        if word
    ]


def _latin(word: str, table: dict[str, str]) -> str:
    spelled = []
    for letter in word:
        bare = unicodedata.normalize("NFD", letter)[0]
        found = table.get(letter) or _CYRILLIC.get(letter) or _CYRILLIC.get(bare)
        spelled.append(found or _GREEK.get(bare) or bare)
    return "".join(spelled).replace("-", "")


def likeness(one: str, other: str, *, other_is_cut: bool = False) -> Likeness:
    """How far the two agree; order of words, accents and hyphens do not count.

    ``other_is_cut``: the last word of ``other`` may be the beginning of a longer one, and more may
    have been cut after it.
    """
    mine, theirs = words(one), words(other)
    if not mine or not theirs:
        return Likeness.DIFFERENT
    if _joined(mine) & _joined(theirs):
        return Likeness.SAME
    left = list(theirs)
    unmatched = 0
    for word in mine:
        at = next((n for n, their in enumerate(left) if word & their), None)
        if at is None:
            unmatched += 1
        else:
            del left[at]
    if not unmatched and not left:
        return Likeness.SAME
    if other_is_cut and len(left) == 1 and _begins(mine, left[0]):
        return Likeness.SAME if unmatched <= 1 else Likeness.PART
    return Likeness.PART if (not unmatched or not left) else Likeness.DIFFERENT


def _joined(parts: list[frozenset[str]]) -> set[str]:
    """The whole name in one piece, longer and shorter spelling: VAN DER BERG is VANDERBERG."""
    return {
        "".join(max(part, key=len) for part in parts),
        "".join(min(part, key=len) for part in parts),
    }


def _begins(mine: list[frozenset[str]], cut: frozenset[str]) -> bool:
    return any(word.startswith(start) for part in mine for word in part for start in cut)

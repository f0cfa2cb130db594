"""What looks like the number of a payment card: it may stand in no row, no log and no file. Pure.

A number counts when its issuer's digits, its length and its check digit (ISO/IEC 7812-1, Luhn) fit
together, and it is written as cards are: in one piece, or in their groups with spaces or dashes.
Any two of these alone would find times, ids and telephone numbers.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

#: First digits and lengths of the networks' numbers, as they publish them. Visa's of 13 digits are
#: no longer issued, and would be telephone numbers of Germany.
_ISSUERS: Final[tuple[tuple[range, frozenset[int]], ...]] = (
    (range(4_000, 5_000), frozenset({16, 19})),  # Visa
    (range(5_100, 5_600), frozenset({16})),  # Mastercard
    (range(2_221, 2_721), frozenset({16})),  # Mastercard
    (range(3_400, 3_500), frozenset({15})),  # American Express
    (range(3_700, 3_800), frozenset({15})),  # American Express
    (range(3_000, 3_060), frozenset({14, 16})),  # Diners Club
    (range(3_600, 3_700), frozenset({14, 16})),  # Diners Club
    (range(3_800, 4_000), frozenset({14, 16})),  # Diners Club
    (range(3_528, 3_590), frozenset({16})),  # JCB
    (range(6_011, 6_012), frozenset({16, 19})),  # Discover
    (range(6_440, 6_600), frozenset({16, 19})),  # Discover
    (range(6_200, 6_300), frozenset({16, 17, 18, 19})),  # UnionPay
    (range(2_200, 2_205), frozenset({16, 19})),  # Mir
    (range(5_018, 5_021), frozenset({16, 18, 19})),  # Maestro, Dankort
    (range(5_038, 5_039), frozenset({16, 18, 19})),  # Maestro
    (range(5_893, 5_894), frozenset({16, 18, 19})),  # Maestro
    (range(6_304, 6_305), frozenset({16, 18, 19})),  # Maestro
    (range(6_759, 6_764), frozenset({16, 18, 19})),  # Maestro
)
#: The groups in which cards show their digits.
_LAYOUTS: Final = frozenset({(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 4, 4, 2)})

#: Digits in groups, with one space or dash between two; nothing that belongs to a longer word.
_RUN: Final = re.compile(r"(?<![\w+.-])[0-9]{3,19}(?:[ \u00a0-][0-9]{2,6})*(?!\w|-\w|\.[0-9])")
_GROUP: Final = re.compile(r"[0-9]+")
#: The first groups of an IBAN, which may be followed by groups of four digits as cards have them.
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4})* ?$")
_IBAN_CHARS: Final = 42


def spans(text: str) -> list[tuple[int, int]]:
    """Where in ``text`` numbers of cards stand, as starts and ends."""
    found = []
    for run in _RUN.finditer(text):
        if _IBAN.search(text[max(0, run.start() - _IBAN_CHARS) : run.start()]):
            continue
        groups = [(run.start() + g.start(), run.start() + g.end()) for g in _GROUP.finditer(run[0])]
        found += _in_groups(text, groups)
    return found


def has_card(text: str) -> bool:
    """Whether a number of a card stands in ``text``."""
    return bool(spans(text))


def hidden(text: str) -> str:
    """``text`` with a word in place of each number of a card."""
    for start, end in reversed(spans(text)):
        text = f"{text[:start]}[card number]{text[end:]}"
    return text


def _in_groups(text: str, groups: list[tuple[int, int]]) -> list[tuple[int, int]]:
    sizes = tuple(end - start for start, end in groups)
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(groups):
        for layout in ((sizes[at],), *sorted(_LAYOUTS, key=len, reverse=True)):
            there = groups[at : at + len(layout)]
            if tuple(sizes[at : at + len(layout)]) == layout and _one_separator(text, there):
                digits = "".join(text[start:end] for start, end in there)
                if _is_card(digits):
                    found.append((there[0][0], there[-1][1]))
                    at += len(layout) - 1
                    break
        at += 1
    return found


def _one_separator(text: str, groups: list[tuple[int, int]]) -> bool:
    return len({text[one[1] : other[0]] for one, other in pairwise(groups)}) <= 1


def _is_card(digits: str) -> bool:
    if not 14 <= len(digits) <= 19:
        return False
    first = int(digits[:4])
    issued = any(first in digits_of and len(digits) in lengths for digits_of, lengths in _ISSUERS)
    return issued and _luhn(digits) and len(set(digits)) > 1


def _luhn(digits: str) -> bool:
    total = 0
    for n, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + n % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0

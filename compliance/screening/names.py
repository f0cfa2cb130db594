"""A person's name as it is compared: Latin small letters, words in alphabetical order. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from anyascii import anyascii

#: A longer name is a document; the rest of it is not compared.
CHARS_MAX: Final = 300
TOKENS_MAX: Final = 12
#: Forms of address and of companies say nothing about who it is.
NOISE: Final = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "sir", "jr", "sr", "haj", "hajj", "hajji", "sheikh", "the"}
)
_APOSTROPHES: Final = re.compile(r"['’‘`ʼʻ´]")
_WORD: Final = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Name:
    """``tokens`` sorted; ``text`` is them with one space between. Empty where nothing is left."""

    tokens: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.tokens)

    def __bool__(self) -> bool:
        return bool(self.tokens)


def normal(written: str) -> Name:
    """``written`` as a `Name`: any script and order, accents, hyphens and titles aside.

    "Владимир Путин", "PUTIN, Vladimir" and "Vladimir Putin" are one name.
    """
    plain = unicodedata.normalize("NFKC", written[:CHARS_MAX])
    latin = anyascii(_APOSTROPHES.sub("", plain)).lower()
    words = _WORD.findall(_APOSTROPHES.sub("", latin))
    kept = [word for word in words if word not in NOISE] or words
    return Name(tuple(sorted(kept[:TOKENS_MAX])))

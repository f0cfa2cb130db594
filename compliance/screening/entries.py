"""One entry of a list as the house keeps it, and why a list is refused. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from babel import Locale

from audit.canonical import canonical, storable
from compliance.screening.matching import Listed
from compliance.screening.names import normal
from kernel.refusal import Refused

NAMES_MAX: Final = 200
#: How lists say what an entry is, and what the house calls it. "Legal entity" is what OpenSanctions
#: says where the source does not tell people from companies.
KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("person", "individual", "natural person", "naturalperson", "human", "p", "i"), "person"
    ),
    **dict.fromkeys(("legal entity", "legalentity", "unknown", "u"), "unclear"),
    **dict.fromkeys(
        ("entity", "organization", "organisation", "company", "public body", "publicbody", "group",
         "enterprise", "e", "o", "c"), "entity",
    ),
    **dict.fromkeys(("vessel", "ship", "v"), "vessel"),
    **dict.fromkeys(("aircraft", "airplane", "a"), "aircraft"),
    **dict.fromkeys(
        ("asset", "vehicle", "security", "cryptowallet", "crypto wallet", "address"), "asset"
    ),
}  # fmt: skip
#: A player is none of these. Whatever else an entry is, players are compared with it.
NO_PEOPLE: Final = ("entity", "vessel", "aircraft", "asset")


class ListCode(StrEnum):
    """Why a list did not become the active one. The one before stays."""

    NOT_TEXT = "list_not_text"
    TOO_LARGE = "list_too_large"
    WRONG_COLUMNS = "list_wrong_columns"
    CUT_OFF = "list_cut_off"
    BAD_ROW = "list_bad_row"
    DUPLICATE = "list_duplicate_entry"
    ORPHAN = "list_orphan_row"
    EMPTY = "list_empty"
    SHRANK = "list_shrank"
    UNCHANGED = "list_unchanged"
    WRONG_DIGEST = "list_wrong_digest"
    UNKNOWN_FORMAT = "list_unknown_format"
    BAD_SOURCE = "list_bad_source"
    MISSING_FILE = "list_missing_file"
    UNKNOWN_KIND = "list_unknown_kind"
    TOO_MANY_NAMES = "list_too_many_names"
    UNCONFIRMED = "list_unconfirmed"
    WRONG_COUNT = "list_wrong_count"


def kind_of(written: str, file: str, ref: str) -> str:
    """What an entry is. Refuses with ``UNKNOWN_KIND`` a word that nobody here knows: read as
    anything, it could hide a list from everybody.
    """
    known = KINDS.get(" ".join(written.lower().replace("_", " ").replace("-", " ").split()))
    if known is None:
        raise Refused(ListCode.UNKNOWN_KIND, file=file, entry=ref[:40], kind=written[:40])
    return known


@dataclass(frozen=True, slots=True)
class Entry:
    """Who a list names: all their names, births (``YYYY-MM-DD`` or ``YYYY``) and countries."""

    ref: str
    kind: str
    names: tuple[str, ...]
    births: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    programme: str = ""

    @property
    def digest(self) -> str:
        """Of everything that the list says: a changed entry is another one to be judged anew."""
        return hashlib.sha256(
            canonical(
                {
                    "ref": self.ref,
                    "kind": self.kind,
                    "names": list(self.names),
                    "births": list(self.births),
                    "countries": list(self.countries),
                    "programme": self.programme,
                }
            )
        ).hexdigest()

    def listed(self) -> list[Listed]:
        """Each name as it is compared, no two that are the same once normalised."""
        names = {normal(name): None for name in self.names}
        return [Listed(name, self.births, self.countries) for name in names if name]


def entry(
    ref: str,
    kind: str,
    names: list[str],
    births: list[str],
    countries: list[str],
    programme: str,
) -> Entry:
    """An entry with each list in a fixed order and nothing twice. ``TOO_MANY_NAMES`` rather than
    without some of them.
    """
    kept = list(dict.fromkeys(storable(name.strip())[:300] for name in names if name.strip()))
    if len(kept) > NAMES_MAX:
        raise Refused(ListCode.TOO_MANY_NAMES, entry=ref[:40], names=len(kept), at_most=NAMES_MAX)
    return Entry(
        storable(ref)[:80],
        storable(kind)[:20],
        tuple(kept[:1] + sorted(kept[1:])),
        tuple(sorted(set(births))),
        tuple(sorted(set(countries))),
        storable(programme)[:120],
    )


#: What lists call countries otherwise than Unicode's English names.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "burma": "MM",
    "congo, democratic republic of the": "CD",
    "congo, republic of the": "CG",
    "cote d ivoire": "CI",
    "czech republic": "CZ",
    "korea, north": "KP",
    "korea, south": "KR",
    "macau": "MO",
    "hong kong": "HK",
    "palestinian": "PS",
    "region: gaza": "PS",
    "the gambia": "GM",
    "turkey": "TR",
    "bosnia and herzegovina": "BA",
}
_CODES: Final[Mapping[str, str]] = {
    **{
        str(name).lower(): code
        for code, name in Locale("en").territories.items()
        if re.fullmatch("[A-Z]{2}", code)
    },
    **_OTHER_NAMES,
}


def country_code(written: str) -> str:
    """ISO 3166-1 alpha-2 of a country's English name or code; empty where it is neither."""
    plain = written.strip().lower()
    if re.fullmatch("[a-z]{2}", plain):
        return plain.upper()
    return _CODES.get(plain, "")


_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_DATE_ISO: Final = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$")
_DATE_WORDS: Final = re.compile(r"^(\d{1,2}) ([A-Za-z]{3}) (\d{4})$")
_YEAR: Final = re.compile(r"\b(1[89]\d\d|20\d\d)\b")


def births(written: str) -> list[str]:
    """``07 Oct 1952``, ``1952-10-07``, ``circa 1952``, ``1950 to 1953``: dates, or years."""
    plain = written.strip()
    if found := _DATE_ISO.match(plain):
        return [found.group(0)]
    if (found := _DATE_WORDS.match(plain)) and found.group(2).lower() in _MONTHS:
        month = _MONTHS[found.group(2).lower()]
        return [f"{found.group(3)}-{month:02}-{int(found.group(1)):02}"]
    years = [int(year) for year in _YEAR.findall(plain)]
    if " to " in plain and len(years) == 2 and 0 < years[1] - years[0] <= 20:
        return [str(year) for year in range(years[0], years[1] + 1)]
    return [str(year) for year in years]

"""What the house sees by itself before an officer looks: codes with an outcome. It asks nobody.

A finding names no value of a person: it is kept for good, beside a history that is never erased.
None of them decides; a person does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from compliance.kyc import mrz
from compliance.kyc.faces import FaceVerdict
from compliance.kyc.mrz import Mrz
from compliance.kyc.names import Likeness, likeness
from compliance.kyc.scanning import Verdict as ScanVerdict
from compliance.limit_arithmetic import of_age_on
from kernel.refusal import Refused


class Outcome(StrEnum):
    """How a finding reads: fine, look closely, against it, or nobody knows."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what came of it."""

    code: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Account:
    """What the account says of its player. ``name`` may be empty."""

    name: str
    date_of_birth: date
    minimum_age: int


#: What a player writes and an officer may read off: names of fields, for forms and pages.
NAME, NUMBER, EXPIRES, MRZ = "name", "number", "expires_on", "mrz"
ISSUED: Final = "issued_on"


def read_zone(text: str, today: date) -> Mrz | None:
    """The zone in what somebody typed; None where there is none."""
    try:
        return mrz.read(text, today)
    except Refused:
        return None


def identity(
    account: Account, declared: Mapping[str, str], face: FaceVerdict, today: date
) -> list[Finding]:
    """What document, account and face say of each other, on the player's local ``today``."""
    zone = read_zone(declared.get(MRZ, ""), today)
    return [
        *_zone_findings(account, declared, zone),
        *_expiry(declared, zone, today),
        Finding("face", _FACES[face]),
    ]


def _zone_findings(
    account: Account, declared: Mapping[str, str], zone: Mrz | None
) -> list[Finding]:
    name = account.name or declared.get(NAME, "")
    if zone is None:
        was_typed = bool(declared.get(MRZ, "").strip())
        return [
            Finding("zone", Outcome.WARN if was_typed else Outcome.UNKNOWN),
            Finding("name", Outcome.UNKNOWN),
            Finding("birth", Outcome.UNKNOWN),
            Finding("number", Outcome.UNKNOWN),
        ]
    alike = likeness(name, f"{zone.surname} {zone.given}", other_is_cut=zone.is_cut)
    typed = "".join(letter for letter in declared.get(NUMBER, "").upper() if letter.isalnum())
    return [
        Finding("zone", Outcome.OK if zone.is_sound else Outcome.FAIL),
        Finding("name", _NAMES[alike]),
        Finding("birth", Outcome.OK if zone.born_on(account.date_of_birth) else Outcome.FAIL),
        Finding(
            "number",
            Outcome.OK if typed == zone.number.replace(mrz.FILL, "") else Outcome.WARN,
        ),
    ]


def _expiry(declared: Mapping[str, str], zone: Mrz | None, today: date) -> list[Finding]:
    written = as_date(declared.get(EXPIRES, ""))
    read = zone.expires if zone is not None else None
    until = read or written
    if until is None:
        return [Finding("expiry", Outcome.UNKNOWN)]
    found = [Finding("expiry", Outcome.OK if until >= today else Outcome.FAIL)]
    if read is not None and written is not None and read != written:
        found.append(Finding("expiry_agrees", Outcome.WARN))
    return found


def age(account: Account, declared: Mapping[str, str], today: date) -> list[Finding]:
    """Whether the document's birth date is old enough on ``today``; 29 February counts as 1 March.

    Without a zone the account's own date is looked at, which proves nothing: unknown.
    """
    zone = read_zone(declared.get(MRZ, ""), today)
    if zone is None or not zone.births:
        return [Finding("age", Outcome.UNKNOWN)]
    birth = account.date_of_birth if zone.born_on(account.date_of_birth) else zone.births[0]
    is_adult = of_age_on(birth, account.minimum_age) <= today
    return [
        Finding("age", Outcome.OK if is_adult else Outcome.FAIL),
        Finding("birth", Outcome.OK if birth == account.date_of_birth else Outcome.FAIL),
    ]


def address(declared: Mapping[str, str], not_older: timedelta, today: date) -> list[Finding]:
    """Whether the proof is recent."""
    issued = as_date(declared.get(ISSUED, ""))
    if issued is None:
        return [Finding("issued", Outcome.UNKNOWN)]
    is_recent = today - not_older <= issued <= today
    return [Finding("issued", Outcome.OK if is_recent else Outcome.FAIL)]


def files(scans: Sequence[str], *, is_known: bool) -> list[Finding]:
    """What the scanner said of all files, and whether another account sent one of them."""
    worst = Outcome.OK
    if ScanVerdict.NONE.value in scans:
        worst = Outcome.UNKNOWN
    return [
        Finding("scan", worst),
        Finding("seen_elsewhere", Outcome.FAIL if is_known else Outcome.OK),
    ]


def as_date(text: str) -> date | None:
    """An ISO date; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


_NAMES: Final = {
    Likeness.SAME: Outcome.OK,
    Likeness.PART: Outcome.WARN,
    Likeness.DIFFERENT: Outcome.FAIL,
}
_FACES: Final = {
    FaceVerdict.MATCH: Outcome.OK,
    FaceVerdict.NO_MATCH: Outcome.FAIL,
    FaceVerdict.NOT_LIVE: Outcome.FAIL,
    FaceVerdict.UNKNOWN: Outcome.UNKNOWN,
    FaceVerdict.NONE: Outcome.UNKNOWN,
}

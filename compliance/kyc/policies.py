"""What is asked of identity checks, by jurisdiction and day: data, read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from compliance.kyc.states import Subject
from kernel.invariant import InvariantBroken

FORMAT: Final = 1
ANYWHERE: Final = "*"
#: As for jurisdictions: official, secondary, the operator's own.
BASES: Final = frozenset("PSO")
_DURATION: Final = re.compile(r"^P(?:(?P<days>\d+)D|T(?P<hours>\d+)H)$")


class BadPolicy(Exception):
    """The file says something we do not understand. It stops the start, on purpose."""


@dataclass(frozen=True, slots=True)
class KycPolicy:
    """One version for one jurisdiction; ``name`` (``DE/kyc/2021-07-01``) is written down."""

    code: str
    effective_from: date
    #: From registration until unverified play stops; None: the profile's own words alone count.
    verify_within: timedelta | None
    resubmit_within: timedelta
    review_within: timedelta
    second_within: timedelta
    #: Before the player's time is over, the longest first.
    remind_before: tuple[timedelta, ...]
    warn_of_expiry: timedelta
    #: Subjects that two officers decide.
    four_eyes: frozenset[Subject]
    address_not_older: timedelta
    address_lasts: timedelta
    funds_last: timedelta
    #: How long an identity counts that was proven by a document without a date of its own.
    undated_lasts: timedelta
    #: Whether documents that an officer asked for in vain stop withdrawals, as play and deposits.
    overdue_stops_withdrawal: bool

    @property
    def name(self) -> str:
        code = "any" if self.code == ANYWHERE else self.code
        return f"{code}/kyc/{self.effective_from.isoformat()}"

    def lasts(self, subject: Subject) -> timedelta | None:
        """How long a verified subject counts, where it is not the document that says so."""
        return {Subject.ADDRESS: self.address_lasts, Subject.FUNDS: self.funds_last}.get(subject)


def _duration(value: Any) -> timedelta:
    found = _DURATION.match(value) if isinstance(value, str) else None
    if found is None:
        raise BadPolicy(f"{value!r} is no duration such as PT72H or P30D")
    return timedelta(days=int(found["days"] or 0), hours=int(found["hours"] or 0))


def _duration_or_none(value: Any) -> timedelta | None:
    return None if value is None else _duration(value)


def _durations(value: Any) -> tuple[timedelta, ...]:
    if not isinstance(value, list):
        raise BadPolicy(f"{value!r} is no list of durations")
    return tuple(sorted((_duration(one) for one in value), reverse=True))


def _subjects(value: Any) -> frozenset[Subject]:
    try:
        return frozenset(Subject(one) for one in value)
    except (TypeError, ValueError):
        raise BadPolicy(f"{value!r} names no subjects") from None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadPolicy(f"{value!r} is neither true nor false")
    return value


_READERS: Final[dict[str, Any]] = {
    "verify_within": _duration_or_none,
    "resubmit_within": _duration,
    "review_within": _duration,
    "second_within": _duration,
    "remind_before": _durations,
    "warn_of_expiry": _duration,
    "four_eyes": _subjects,
    "address_not_older": _duration,
    "address_lasts": _duration,
    "funds_last": _duration,
    "undated_lasts": _duration,
    "overdue_stops_withdrawal": _flag,
}


def load(text: str) -> dict[str, tuple[KycPolicy, ...]]:
    """Policies by code, the oldest first. Raises ``BadPolicy`` for anything odd."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise BadPolicy(f"not YAML: {wrong}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadPolicy(f"format must be {FORMAT}")
    found: dict[str, list[KycPolicy]] = {}
    for entry in document.get("policies") or []:
        one = _policy(entry)
        versions = found.setdefault(one.code, [])
        if any(other.effective_from == one.effective_from for other in versions):
            raise BadPolicy(f"{one.name} stands twice")
        versions.append(one)
    if ANYWHERE not in found:
        raise BadPolicy("nothing is said for everywhere else (*)")
    return {
        code: tuple(sorted(versions, key=lambda one: one.effective_from))
        for code, versions in found.items()
    }


def _policy(entry: Any) -> KycPolicy:
    if not isinstance(entry, dict) or set(entry) != {"code", "effective_from", "enforced"}:
        raise BadPolicy("each policy has code, effective_from and enforced")
    enforced = entry["enforced"]
    if not isinstance(enforced, dict) or set(enforced) != set(_READERS):
        raise BadPolicy(f"{entry['code']}: enforced must name exactly {', '.join(_READERS)}")
    if type(entry["effective_from"]) is not date:
        raise BadPolicy(f"{entry['code']}: effective_from must be a date")
    values = {}
    for name, leaf in enforced.items():
        if not isinstance(leaf, dict) or not {"value", "basis"} <= set(leaf) <= {
            "value", "basis", "note",
        }:  # fmt: skip
            raise BadPolicy(f"{entry['code']}: {name} needs value and basis")
        if leaf["basis"] not in BASES:
            raise BadPolicy(f"{entry['code']}: {name} rests on {leaf['basis']}, which nobody saw")
        values[name] = _READERS[name](leaf["value"])
    return KycPolicy(code=str(entry["code"]), effective_from=entry["effective_from"], **values)


@cache
def _all() -> dict[str, tuple[KycPolicy, ...]]:
    return load(Path(__file__).with_name("policies.yaml").read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def kyc_policy(code: str, on: date) -> KycPolicy:
    """The version for ``code`` in force on ``on``, else the one for everywhere."""
    for wanted in (code, ANYWHERE):
        versions = [one for one in _all().get(wanted, ()) if one.effective_from <= on]
        if versions:
            return versions[-1]
    raise InvariantBroken("a policy for identity checks is in force", code=code, on=on)

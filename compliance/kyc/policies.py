"""What is asked of identity checks, by jurisdiction and day: data, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from compliance import policy_files
from compliance.kyc.states import Subject
from compliance.policy_files import BadPolicy, duration, duration_or_none, flag


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
        return policy_files.named(self.code, "kyc", self.effective_from)

    def lasts(self, subject: Subject) -> timedelta | None:
        """How long a verified subject counts, where it is not the document that says so."""
        return {Subject.ADDRESS: self.address_lasts, Subject.FUNDS: self.funds_last}.get(subject)


def _durations(value: Any) -> tuple[timedelta, ...]:
    if not isinstance(value, list):
        raise BadPolicy(f"{value!r} is no list of durations")
    return tuple(sorted((duration(one) for one in value), reverse=True))


def _subjects(value: Any) -> frozenset[Subject]:
    try:
        return frozenset(Subject(one) for one in value)
    except (TypeError, ValueError):
        raise BadPolicy(f"{value!r} names no subjects") from None


_READERS: Final[dict[str, Any]] = {
    "verify_within": duration_or_none,
    "resubmit_within": duration,
    "review_within": duration,
    "second_within": duration,
    "remind_before": _durations,
    "warn_of_expiry": duration,
    "four_eyes": _subjects,
    "address_not_older": duration,
    "address_lasts": duration,
    "funds_last": duration,
    "undated_lasts": duration,
    "overdue_stops_withdrawal": flag,
}


def load(text: str) -> dict[str, tuple[KycPolicy, ...]]:
    """Policies by code, the oldest first. Raises ``BadPolicy`` for anything odd."""
    return policy_files.load(text, _READERS, _make)


def _make(code: str, effective_from: date, values: dict[str, Any], _text: str) -> KycPolicy:
    return KycPolicy(code=code, effective_from=effective_from, **values)


@cache
def _all() -> dict[str, tuple[KycPolicy, ...]]:
    return load(Path(__file__).with_name("policies.yaml").read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def kyc_policy(code: str, on: date) -> KycPolicy:
    """The version for ``code`` in force on ``on``, else the one for everywhere."""
    return policy_files.in_force(_all(), code, on)

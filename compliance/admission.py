"""What the gate knows of a player from outside the house: one row, written under their lock.

A national register's answer, the place they were last seen at, and whether an officer still has to
say if they are an excluded person. `refusal` is pure; the gate reads with one statement.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from audit.together import Kept, Rows, Statement
from compliance.jurisdictions import Jurisdiction
from compliance.registries.protocol import Outcome
from kernel.arrays import array_of
from kernel.ids import PlayerId


class AdmissionCode(StrEnum):
    """Why play and deposits, and for the first four marketing, are refused from outside."""

    REGISTRY_EXCLUDED = "registry_excluded"
    REGISTRY_UNCLEAR = "registry_unclear"
    REGISTRY_FACTS = "registry_facts_missing"
    UNDER_REVIEW = "under_review"
    PLACE_NOT_ALLOWED = "place_not_allowed"
    PLACE_UNKNOWN = "place_unknown"
    PLACE_NOT_CHECKED = "place_not_checked"


class PlaceOutcome(StrEnum):
    """What a place means under the player's policy."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Admission:
    """The row of one player; empty words where nothing was asked."""

    registry: str = ""
    registry_outcome: str = ""
    registry_valid_until: datetime | None = None
    place_outcome: str = ""
    place_valid_until: datetime | None = None
    likenesses: int = 0
    #: Facts that the register cannot answer without, by name, blanks between.
    registry_lacks: str = ""


NOTHING: Final = Admission()
_ASK: Final = Kept(
    "SELECT player_id, registry, registry_outcome, registry_valid_until, place_outcome,"
    " place_valid_until, likenesses, registry_lacks FROM compliance_admission"
    " WHERE player_id = ANY (%s::text::bigint[])"
)


def asking(player_ids: Collection[PlayerId]) -> Statement:
    """The rows of those who have one. Under the players' locks nothing of them changes."""
    return _ASK, [array_of(player_ids)]


def of_rows(rows: Rows) -> dict[PlayerId, Admission]:
    """What `asking` found, by player."""
    return {PlayerId(row[0]): Admission(*row[1:]) for row in rows}


def refusal(
    policy: Jurisdiction,
    found: Admission | None,
    now: datetime,
    *,
    marketing: bool = False,
    can_look: bool = True,
) -> AdmissionCode | None:
    """Why not, or None. Where a policy asks and nothing was answered, that is unclear.

    ``can_look``: whether the house can find out where anybody is (`location.geoip.can_look`).
    """
    found = found or NOTHING
    told = _registry_refusal(policy, found, now) if policy.asks_registry else None
    if told is not None:
        return told
    if found.likenesses:
        return AdmissionCode.UNDER_REVIEW
    return None if marketing else place_refusal(policy, found, now, can_look=can_look)


def _registry_refusal(
    policy: Jurisdiction, found: Admission, now: datetime
) -> AdmissionCode | None:
    """The answer of another register says nothing, but that this one was never asked."""
    is_of_this = found.registry == policy.registry
    if is_of_this and found.registry_outcome == Outcome.EXCLUDED:
        return AdmissionCode.REGISTRY_EXCLUDED
    if is_of_this and found.registry_lacks:
        return AdmissionCode.REGISTRY_FACTS
    is_valid = found.registry_valid_until is not None and now < found.registry_valid_until
    if is_of_this and is_valid and found.registry_outcome == Outcome.CLEAR:
        return None
    return AdmissionCode.REGISTRY_UNCLEAR


def place_refusal(
    policy: Jurisdiction, found: Admission | None, now: datetime, *, can_look: bool
) -> AdmissionCode | None:
    """Why the place refuses bets and deposits, or None. ``can_look``: as for `refusal`."""
    if not policy.location_required:
        return None
    found = found or NOTHING
    seen = found.place_outcome
    fresh = found.place_valid_until is not None and now < found.place_valid_until
    if seen == PlaceOutcome.NOT_ALLOWED:  # until somewhere else is seen, however long ago
        return AdmissionCode.PLACE_NOT_ALLOWED
    if seen == PlaceOutcome.ALLOWED and fresh:
        return None
    # what nobody has looked at is apart from what was looked at and is in no database
    if policy.location_unchecked_refuses and not (can_look and fresh):
        return AdmissionCode.PLACE_NOT_CHECKED
    return AdmissionCode.PLACE_UNKNOWN if policy.location_unknown_refuses else None

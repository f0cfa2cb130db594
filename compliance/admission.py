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

from django.db import connection

from compliance.jurisdictions import Jurisdiction
from compliance.registries.protocol import Outcome
from kernel.arrays import array_of
from kernel.ids import PlayerId


class AdmissionCode(StrEnum):
    """Why play and deposits, and for the first three marketing, are refused from outside."""

    REGISTRY_EXCLUDED = "registry_excluded"
    REGISTRY_UNCLEAR = "registry_unclear"
    UNDER_REVIEW = "under_review"
    PLACE_NOT_ALLOWED = "place_not_allowed"
    PLACE_UNKNOWN = "place_unknown"


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


NOTHING: Final = Admission()


def read(player_ids: Collection[PlayerId]) -> dict[PlayerId, Admission]:
    """Of those who have a row; one statement. Under the players' locks nothing of it changes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT player_id, registry, registry_outcome, registry_valid_until, place_outcome,"
            " place_valid_until, likenesses FROM compliance_admission"
            " WHERE player_id = ANY (%s::text::bigint[])",
            [array_of(player_ids)],
        )
        return {PlayerId(row[0]): Admission(*row[1:]) for row in cursor.fetchall()}


def refusal(
    policy: Jurisdiction, found: Admission | None, now: datetime, *, marketing: bool = False
) -> AdmissionCode | None:
    """Why not, or None. Where a policy asks and nothing was answered, that is unclear."""
    found = found or NOTHING
    if policy.asks_registry:
        valid = found.registry_valid_until is not None and now < found.registry_valid_until
        if found.registry == policy.registry and found.registry_outcome == Outcome.EXCLUDED:
            return AdmissionCode.REGISTRY_EXCLUDED
        if (
            not valid
            or found.registry != policy.registry
            or (found.registry_outcome != Outcome.CLEAR)
        ):
            return AdmissionCode.REGISTRY_UNCLEAR
    if found.likenesses:
        return AdmissionCode.UNDER_REVIEW
    if marketing or not policy.location_required:
        return None
    return _place_refusal(policy, found, now)


def _place_refusal(policy: Jurisdiction, found: Admission, now: datetime) -> AdmissionCode | None:
    seen = found.place_outcome
    fresh = found.place_valid_until is not None and now < found.place_valid_until
    if seen == PlaceOutcome.NOT_ALLOWED:  # until somewhere else is seen, however long ago
        return AdmissionCode.PLACE_NOT_ALLOWED
    if seen == PlaceOutcome.ALLOWED and fresh:
        return None
    return AdmissionCode.PLACE_UNKNOWN if policy.location_unknown_refuses else None

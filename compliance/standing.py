"""A player's standing: the one row that says whether they may act, locked by whoever decides."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from django.db import connection

from audit.locks import LockRank, lock_rows
from audit.together import Kept
from compliance.jurisdictions import Jurisdiction, profile
from compliance.limit_arithmetic import gaming_day
from compliance.models import Status
from compliance.play_rules import Play
from kernel.arrays import array_of
from kernel.ids import PlayerId
from kernel.refusal import Refused


class StandingCode(StrEnum):
    """Why an act about a standing was refused."""

    NO_STANDING = "no_standing"


class StandingNow(NamedTuple):
    """One standing as it was read under its lock. A tuple: a batch makes a thousand of them."""

    player_id: PlayerId
    status: Status
    jurisdiction: str
    currency: str
    of_age_on: date
    age_verified: bool
    identity_verified: bool
    excluded_until: datetime | None
    exclusion_holds: bool
    cool_off_until: datetime | None
    verify_by: datetime | None
    check_every_s: int | None
    #: The session of play in microseconds since 1970: a batch compares a thousand of them.
    play_since_us: int | None
    play_seen_us: int | None
    check_due_us: int | None
    #: An officer asked for documents and they did not come in time, or were not accepted.
    documents_overdue: bool = False
    #: None of somebody with an end: they asked to come back, and wait or have waited for it.
    excluded_at: datetime | None = None

    @property
    def play(self) -> Play | None:
        """The last session of play, gone on or not; None: there was none, or it was noted down."""
        if self.play_since_us is None or self.play_seen_us is None or self.check_due_us is None:
            return None
        return Play(_at(self.play_since_us), _at(self.play_seen_us), _at(self.check_due_us))

    @property
    def is_verified(self) -> bool:
        """Whether papers have shown both age and identity."""
        return self.age_verified and self.identity_verified

    def excluded(self, now: datetime) -> bool:
        """Whether self-exclusion holds at ``now``: until its end, or until the player returns."""
        if self.excluded_until is None:
            return False
        return self.exclusion_holds or now < self.excluded_until

    @property
    def is_returning(self) -> bool:
        """Whether the player asked to come back after their last exclusion, whenever that was."""
        return self.excluded_until is not None and self.excluded_at is None

    def cooling_off(self, now: datetime) -> bool:
        """Whether a break holds at ``now``."""
        return self.cool_off_until is not None and now < self.cool_off_until

    def may_play_unverified(self, now: datetime) -> bool:
        """Whether policy and the time to verify in still let the player play unverified."""
        in_time = self.verify_by is None or now < self.verify_by
        return in_time and not self.policy(now).verified_before_play

    def policy(self, now: datetime) -> Jurisdiction:
        """The profile in force at ``now`` where the player belongs."""
        return profile(self.jurisdiction, now.date())

    def of_age(self, now: datetime) -> bool:
        """Whether the player is of age on the local day of ``now``."""
        return gaming_day(now, self.policy(now).zone) >= self.of_age_on


_SELECT: Final = (
    "SELECT player_id, status, jurisdiction, currency, of_age_on, age_verified, identity_verified,"
    " excluded_until, exclusion_holds, cool_off_until, verify_by,"
    " check_every_s,"
    " (extract(epoch FROM play_since) * 1000000)::bigint,"
    " (extract(epoch FROM play_seen_at) * 1000000)::bigint,"
    " (extract(epoch FROM check_due_at) * 1000000)::bigint,"
    " documents_overdue, excluded_at"
    " FROM compliance_standing WHERE player_id = ANY(%s::text::bigint[]) ORDER BY player_id"
)
_LOCK: Final = Kept(f"{_SELECT} FOR NO KEY UPDATE")
_STATUS: Final = {one.value: one for one in Status}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at: datetime) -> int:
    """``at`` since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def _at(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def lock_standings(player_ids: Collection[PlayerId]) -> dict[PlayerId, StandingNow]:
    """Lock these players' standings in id order (rank PLAYER); unknown ones are absent.

    From here to the end of the transaction no other decision, exclusion or limit change about
    them can commit.
    """
    rows = lock_rows(LockRank.PLAYER, _LOCK, [array_of(player_ids)])
    return {row[0]: _standing(row) for row in rows}


def lock_standing(player_id: PlayerId) -> StandingNow:
    """Lock one standing (rank PLAYER). Refuses with ``NO_STANDING``."""
    found = lock_standings([player_id]).get(player_id)
    if found is None:
        raise Refused(StandingCode.NO_STANDING, player_id=player_id)
    return found


def read_standing(player_id: PlayerId) -> StandingNow | None:
    """A standing without a lock: for pages, never for a decision."""
    return next(iter(read_standings([player_id])), None)


def read_standings(player_ids: Collection[PlayerId]) -> list[StandingNow]:
    """Standings without locks, in one statement; unknown players are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [array_of(player_ids)])
        return [_standing(row) for row in cursor.fetchall()]


def _standing(row: tuple[Any, ...]) -> StandingNow:
    return StandingNow(row[0], _STATUS[row[1]], *row[2:])

"""Accounts that are like an excluded person: they may not play until an officer has decided.

Withdrawals stay possible. An officer says once, with a reason, that it is the person, and the
account is excluded with them, or that it is not, and it may play. Kept by the database.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection

from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import queues
from compliance.own_register.entries import Somebody
from compliance.queues import UNTOLD, Tally
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

#: The right to decide, and to exclude a player.
GUARD: Final = "compliance.guard_exclusions"
REASON_MAX: Final = 2_000
#: By when an officer has looked; the player waits meanwhile.
DUE_H: Final = 24
SHOWN: Final = 100

FOUND: Final = register("register.likeness_found", "Account like an excluded person", hidden=True)
DECIDED: Final = register(
    "register.likeness_decided", "Likeness to an excluded person decided", hidden=True
)
REFUSED: Final = register(
    "register.sign_up_refused", "Sign-up of an excluded person refused", hidden=True
)
KEEPER: Final = Actor.system("own_register")


class LikenessCode(StrEnum):
    """Why nothing was decided."""

    NO_SUCH_LIKENESS = "no_such_likeness"
    LIKENESS_DECIDED = "likeness_decided"
    REASON_MISSING = "reason_missing"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A likeness as officers see it: both accounts side by side."""

    id: UUID
    player_id: PlayerId
    excluded_id: PlayerId
    score: int
    name_score: int
    birth: str
    by_browser: bool
    found_at: datetime
    due_at: datetime
    decided_at: datetime | None
    is_same: bool | None
    reason: str
    player_name: str
    player_email: str
    player_born: date
    player_country: str
    excluded_name: str
    excluded_email: str
    excluded_born: date
    excluded_country: str
    excluded_until: datetime | None


_SQL: Final = """
SELECT l.id, l.player_id, l.excluded_id, l.score, l.name_score, l.birth, l.by_browser, l.found_at,
       l.due_at, l.decided_at, l.is_same, l.reason, u.name, u.email, p.date_of_birth, p.country,
       eu.name, eu.email, ep.date_of_birth, ep.country, s.excluded_until
FROM compliance_likeness l
JOIN accounts_player p ON p.user_id = l.player_id JOIN accounts_user u ON u.id = p.user_id
JOIN accounts_player ep ON ep.user_id = l.excluded_id JOIN accounts_user eu ON eu.id = ep.user_id
LEFT JOIN compliance_standing s ON s.player_id = l.excluded_id
"""


def note(player_id: PlayerId, excluded_id: PlayerId, found: Somebody) -> bool:
    """Keep a likeness, once per pair, and stop play until it is decided; False where it was kept.

    In the caller's transaction, under the player's lock. Audited.
    """
    one = found.likeness
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_likeness (id, player_id, excluded_id, score, name_score, birth,"
            " by_browser, by_instrument, due_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s,"
            " clock_timestamp() + make_interval(hours => %s))"
            " ON CONFLICT (player_id, excluded_id) DO NOTHING",
            [
                new_id(),
                player_id,
                excluded_id,
                one.score,
                one.name_score,
                one.birth.value,
                one.by_browser,
                one.by_instrument,
                DUE_H,
            ],
        )
        if cursor.rowcount == 0:
            return False
        cursor.execute(
            "INSERT INTO compliance_admission AS a (player_id, likenesses) VALUES (%s, 1)"
            " ON CONFLICT (player_id) DO UPDATE SET likenesses = a.likenesses + 1",
            [player_id],
        )
    record(
        FOUND,
        actor=KEEPER,
        subject=Subject("player", str(player_id)),
        component="compliance",
        after={
            "excluded_player": int(excluded_id),
            "score": one.score,
            "birth": one.birth.value,
            "by_browser": one.by_browser,
        },
    )
    return True


def note_refused(found: Somebody) -> None:
    """That somebody excluded tried to open an account: on their record, nothing of the visitor."""
    record(
        REFUSED,
        actor=KEEPER,
        subject=Subject("player", str(found.player_id)),
        component="compliance",
        after={"score": found.likeness.score, "by_browser": found.likeness.by_browser},
    )


def close(likeness_id: UUID, *, is_same: bool, reason: str, actor: Actor) -> Waiting:
    """Decide it, in the caller's transaction, under the player's lock. Audited.

    Refuses with ``NO_SUCH_LIKENESS``, ``LIKENESS_DECIDED`` or ``REASON_MISSING``. The caller has
    asked for the right, and excludes the account where it is the person.
    """
    reason = storable(reason.strip())
    if not reason or len(reason) > REASON_MAX:
        raise Refused(LikenessCode.REASON_MISSING)
    found = find(likeness_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_likeness SET decided_at = clock_timestamp(), decided_by = %s,"
            " is_same = %s, reason = %s WHERE id = %s AND decided_at IS NULL",
            [int(actor.id), is_same, reason, likeness_id],
        )
        if cursor.rowcount == 0:
            raise Refused(LikenessCode.LIKENESS_DECIDED)
        cursor.execute(
            "UPDATE compliance_admission SET likenesses = likenesses - 1 WHERE player_id = %s",
            [found.player_id],
        )
    record(
        DECIDED,
        actor=actor,
        subject=Subject("player", str(found.player_id)),
        component="compliance",
        before={"decided": False},
        after={"excluded_player": int(found.excluded_id), "is_same": is_same},
        reason=reason,
    )
    return find(likeness_id)


def decisions(player_id: PlayerId) -> dict[PlayerId, bool]:
    """What officers said of this player and others, whichever was the excluded one: the last word.

    True: the same person, unless two officers have lifted it (`lifting`). Who is not here is
    undecided.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN player_id = %s THEN excluded_id ELSE player_id END,"
            " is_same AND NOT EXISTS (SELECT FROM compliance_likeness_lift f"
            "  JOIN compliance_likeness o ON o.id = f.likeness_id"
            "  WHERE f.is_lifted AND f.decided_at > l.decided_at"
            "  AND (o.player_id, o.excluded_id) IN"
            "   ((l.player_id, l.excluded_id), (l.excluded_id, l.player_id)))"
            " FROM compliance_likeness l WHERE decided_at IS NOT NULL AND %s IN (player_id,"
            " excluded_id) ORDER BY decided_at",
            [player_id, player_id],
        )
        return {PlayerId(row[0]): row[1] for row in cursor.fetchall()}


def called_same(player_id: PlayerId) -> list[Waiting]:
    """Decisions that this account is an excluded person's, but those that two officers lifted."""
    return _read(
        "WHERE l.player_id = %s AND l.is_same AND NOT EXISTS"
        " (SELECT FROM compliance_likeness_lift f WHERE f.likeness_id = l.id AND f.is_lifted)"
        " ORDER BY l.id",
        [player_id],
    )


def waiting_between(player_id: PlayerId, excluded_id: PlayerId) -> list[Waiting]:
    """What nobody has decided of these two; one or none."""
    return _read(
        "WHERE l.player_id = %s AND l.excluded_id = %s AND l.decided_at IS NULL",
        [player_id, excluded_id],
    )


def freed_from(excluded_id: PlayerId, player_ids: Collection[PlayerId]) -> set[PlayerId]:
    """Those of ``player_ids`` whom two officers freed since ``excluded_id`` was last excluded.

    Nobody, where that exclusion ever began for itself: then it says something of its own.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT f.player_id FROM compliance_likeness_lift f"
            " WHERE f.is_lifted AND f.player_id = ANY (%s) AND EXISTS"
            " (SELECT FROM compliance_register_entry WHERE player_id = %s) AND NOT EXISTS"
            " (SELECT FROM compliance_register_entry e WHERE e.player_id = %s"
            "  AND (e.by_actor <> %s OR e.since > f.decided_at))",
            [[int(one) for one in player_ids], excluded_id, excluded_id, str(KEEPER)],
        )
        return {PlayerId(row[0]) for row in cursor.fetchall()}


def find(likeness_id: UUID) -> Waiting:
    """One of them. Refuses with ``NO_SUCH_LIKENESS``."""
    found = _read("WHERE l.id = %s", [likeness_id])
    if not found:
        raise Refused(LikenessCode.NO_SUCH_LIKENESS)
    return found[0]


def waiting() -> list[Waiting]:
    """Those that nobody has decided, the first due first."""
    return _read("WHERE l.decided_at IS NULL ORDER BY l.due_at, l.id LIMIT %s", [SHOWN])


def tally(now: datetime) -> Tally:
    """How many nobody has decided."""
    return queues.tally_sql(
        "SELECT l.due_at FROM compliance_likeness l WHERE l.decided_at IS NULL", now
    )


def decided(of: PlayerId | None = None) -> list[Waiting]:
    """The last that were decided, of everybody or of one account, whichever of the two it is."""
    theirs = "" if of is None else " AND %s IN (l.player_id, l.excluded_id)"
    return _read(
        f"WHERE l.decided_at IS NOT NULL{theirs} ORDER BY l.decided_at DESC LIMIT %s",
        [*([] if of is None else [of]), SHOWN],
    )


def proposed_to_lift() -> list[Waiting]:
    """Those that one officer would lift and a second has not answered, however long ago decided."""
    return _read(
        "JOIN compliance_likeness_lift f ON f.likeness_id = l.id AND f.decided_at IS NULL"
        " ORDER BY f.at, l.id LIMIT %s",
        [SHOWN],
    )


def alarm_overdue(at_most: int = SHOWN) -> int:
    """Tell the officers once of each likeness that nobody decided in time; returns how many."""
    late = _read(
        f"WHERE l.decided_at IS NULL AND l.due_at < %s AND {UNTOLD.format(id='l.id')}"
        " ORDER BY l.due_at LIMIT %s",
        [database_now(), at_most],
    )
    return queues.tell_overdue([one.id for one in late])


def _read(where: str, params: list[UUID | int | str | datetime]) -> list[Waiting]:
    with connection.cursor() as cursor:
        cursor.execute(_SQL + where, params)
        return [Waiting(row[0], PlayerId(row[1]), PlayerId(row[2]), *row[3:]) for row in cursor]

"""Is the caller who they say? What somebody at the desk was told on the phone, right or wrong.

The answer is compared where it is known and only its verdict is kept, append-only. Two different
questions answered right to one member of staff, the date of birth among them, identify the caller
to that one for half an hour; three wrong ones within half an hour, to whomever at the desk, lock
the desk for this player for half an hour from the third.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.standing import lock_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

ASKED: Final = register("support.identity_asked", "Caller answered a question at the desk")
LOCKED: Final = register("support.identity_locked", "Desk locked for a player: wrong answers")

#: A call is rarely longer, and a guesser gets six tries an hour, all of them audited.
WINDOW: Final = timedelta(minutes=30)
WRONG_MAX: Final = 3
RIGHT_NEEDED: Final = 2
#: What an account shows to whoever is signed in to it (its deposits) proves nothing alone.
MUST_BE_RIGHT: Final = "date_of_birth"


class CallerCode(StrEnum):
    """Why the desk does not go on."""

    DESK_LOCKED = "desk_locked"
    NOT_IDENTIFIED = "caller_not_identified"


@dataclass(frozen=True, slots=True)
class CallerNow:
    """How far a member of staff is with a caller who says to be a player."""

    locked_until: datetime | None
    right: frozenset[str]

    @property
    def is_identified(self) -> bool:
        """Whether enough was right, and the desk is not locked since."""
        return (
            self.locked_until is None
            and len(self.right) >= RIGHT_NEEDED
            and MUST_BE_RIGHT in self.right
        )


def caller_now(player_id: PlayerId, staff_id: int) -> CallerNow:
    """Read without a lock: for pages; a lapse of a moment shows nothing that was not shown."""
    return _now(player_id, staff_id, database_now())


def require(player_id: PlayerId, staff_id: int) -> None:
    """Refuses with ``DESK_LOCKED`` or ``NOT_IDENTIFIED``."""
    found = caller_now(player_id, staff_id)
    _refuse_locked(found)
    if not found.is_identified:
        raise Refused(CallerCode.NOT_IDENTIFIED)


def answered(
    player_id: PlayerId, question: str, is_right: Callable[[], bool], *, staff_id: int, key: str
) -> bool:
    """Judge one answer and keep the verdict; returns it. The same form again is judged once.

    One transaction under the player's lock, so that guesses at the same moment are counted one
    after the other. Refuses with ``DESK_LOCKED`` (then nothing is judged) or ``NO_STANDING``.
    """
    with transaction.atomic():
        lock_standing(player_id)
        known = _verdict(staff_id, key)
        if known is not None:
            return known
        _refuse_locked(_now(player_id, staff_id, database_now()))
        verdict = is_right()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO compliance_caller_answer (id, player_id, staff_id, question, is_right,"
                " key) VALUES (%s, %s, %s, %s, %s, %s)",
                [new_id(), player_id, staff_id, question, verdict, storable(key)[:64]],
            )
        _audit(ASKED, player_id, staff_id, question, verdict=verdict)
        if _now(player_id, staff_id, database_now()).locked_until is not None:
            _audit(LOCKED, player_id, staff_id, question, verdict=verdict)
    return verdict


def _now(player_id: PlayerId, staff_id: int, now: datetime) -> CallerNow:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, staff_id, question, is_right FROM compliance_caller_answer"
            " WHERE player_id = %s AND at > %s ORDER BY at DESC",
            [player_id, now - 2 * WINDOW],  # the third wrong one may be WINDOW old, the first 2
        )
        rows = cursor.fetchall()
    right = frozenset(
        question
        for at, staff, question, ok in rows
        if ok and staff == staff_id and at > now - WINDOW
    )
    wrong = [at for at, _staff, _question, is_right in rows if not is_right]
    return CallerNow(_locked_until(wrong, now), right)


def _locked_until(wrong: list[datetime], now: datetime) -> datetime | None:
    """``wrong``: the wrong answers, newest first. Nothing is judged while the desk is locked."""
    if len(wrong) < WRONG_MAX or wrong[0] - wrong[WRONG_MAX - 1] > WINDOW:
        return None
    until = wrong[0] + WINDOW
    return until if until > now else None


def _verdict(staff_id: int, key: str) -> bool | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT is_right FROM compliance_caller_answer WHERE staff_id = %s AND key = %s",
            [staff_id, storable(key)[:64]],
        )
        row = cursor.fetchone()
    return None if row is None else bool(row[0])


def _refuse_locked(found: CallerNow) -> None:
    if found.locked_until is not None:
        raise Refused(CallerCode.DESK_LOCKED, until=found.locked_until.isoformat())


def _audit(kind: str, player_id: PlayerId, staff_id: int, question: str, *, verdict: bool) -> None:
    record(
        kind,
        actor=Actor.staff(staff_id),
        subject=Subject("player", str(player_id)),
        component="compliance",
        after={"question": question, "right": verdict},
    )

"""Ending an exclusion that an officer's mistake began: two officers, and never anybody's own.

An account that was called an excluded person's, and is not, has no other way back than to ask and
to wait out a term that is not theirs. Nothing is taken back from the record: the decision stays,
and another stands beside it. From then on the two accounts count as two people. One act is about
all whom officers called the same as the account: excluded people have several accounts, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.models import Standing
from compliance.notice_kinds import EXCLUSION_LIFTED
from compliance.own_register import entries, likenesses
from compliance.own_register.likenesses import GUARD, KEEPER, Waiting
from compliance.queues import Tally, tally_sql
from compliance.standing import StandingNow, lock_standings
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from notices.send import notify

_SQL: Final = (
    "SELECT id, likeness_id, player_id, reason, proposed_by, at, decided_at, decided_by, is_lifted,"
    " decided_reason FROM compliance_likeness_lift"
)
REASON_MAX: Final = 2_000

PROPOSED: Final = register("register.lift_proposed", "Lifting of a mistaken exclusion proposed")
LIFTED: Final = register("register.exclusion_lifted", "Mistaken exclusion lifted by two officers")
RETURNED: Final = register("register.lift_returned", "Lifting of an exclusion not agreed to")


class LiftCode(StrEnum):
    """Why an exclusion was not lifted."""

    REASON_MISSING = "reason_missing"
    NOT_DECIDED_SAME = "lift_not_decided_same"
    NOT_EXCLUDED = "lift_not_excluded"
    OWN_EXCLUSION = "lift_own_exclusion"
    STILL_SAME = "lift_still_same"
    WAITS = "lift_waits"
    NOTHING_WAITS = "lift_nothing_waits"
    SAME_PERSON = "same_person"


@dataclass(frozen=True, slots=True)
class Lift:
    """A proposal, and what became of it."""

    id: UUID
    likeness_id: UUID
    player_id: PlayerId
    reason: str
    proposed_by: int
    at: datetime
    decided_at: datetime | None
    decided_by: int | None
    is_lifted: bool | None
    decided_reason: str


def propose(likeness_id: UUID, *, reason: str, actor: Actor) -> Lift:
    """The first officer: this account is somebody else's after all. Audited; nothing changes yet.

    With it goes every other decision that this account is an excluded person's.
    Refuses with ``NOT_ALLOWED``, ``REASON_MISSING``, ``NO_SUCH_LIKENESS``, ``NOT_DECIDED_SAME``,
    ``NOT_EXCLUDED``, ``OWN_EXCLUSION``, ``STILL_SAME`` or ``WAITS``. Locks all these players.
    """
    check_right(actor, GUARD)
    said, player_id = _said(reason), likenesses.find(likeness_id).player_id
    with transaction.atomic():
        held = _lock(player_id)
        together = likenesses.called_same(player_id)
        if likeness_id not in {one.id for one in together}:
            raise Refused(LiftCode.NOT_DECIDED_SAME)
        _may_be_lifted(player_id, together, held)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO compliance_likeness_lift (id, likeness_id, player_id, reason,"
                    " proposed_by) VALUES (%s, %s, %s, %s, %s)",
                    [(new_id(), one.id, player_id, said, int(actor.id)) for one in together],
                )
        except IntegrityError as error:
            if "lift_waits" not in str(error):
                raise
            raise Refused(LiftCode.WAITS) from error
        for one in together:
            _audit(PROPOSED, one, actor, said)
    return _read("WHERE likeness_id = %s AND decided_at IS NULL", [likeness_id])[0]


def agree(lift_id: UUID, *, reason: str, actor: Actor) -> Lift:
    """Another officer agrees: from this commit the account is not excluded. Audited, player told.

    All that waits for the account is decided with it. Marketing stays off until they agree to it
    anew. Refuses as `propose`, and with ``NOTHING_WAITS`` or ``SAME_PERSON``. Locks as `propose`.
    """
    check_right(actor, GUARD)
    said, player_id = _said(reason), _waiting(lift_id).player_id
    with transaction.atomic():
        held = _lock(player_id)
        _waiting(lift_id)
        lifts = _of_player(player_id)
        if int(actor.id) in {one.proposed_by for one in lifts}:
            raise Refused(LiftCode.SAME_PERSON)
        seen = [likenesses.find(one.likeness_id) for one in lifts]
        standing = _may_be_lifted(player_id, seen, held)
        for lift, one in zip(lifts, seen, strict=True):
            _decide(lift, actor, said, is_lifted=True)
            _audit(LIFTED, one, actor, said, standing)
        Standing.objects.filter(pk=player_id).update(
            excluded_at=None, excluded_until=None, exclusion_holds=False
        )
        _apart_from_their_others(player_id, seen, said, actor)
        notify(int(player_id), EXCLUSION_LIFTED, {})
    return _read("WHERE id = %s", [lift_id])[0]


def give_back(lift_id: UUID, *, reason: str, actor: Actor) -> Lift:
    """An officer does not agree, or takes the proposal back: the exclusion goes on. Audited.

    All that waits for the account is decided with it.
    Refuses with ``NOT_ALLOWED``, ``REASON_MISSING`` or ``NOTHING_WAITS``. Locks the player.
    """
    check_right(actor, GUARD)
    said, player_id = _said(reason), _waiting(lift_id).player_id
    with transaction.atomic():
        lock_standings({player_id})
        _waiting(lift_id)
        for lift in _of_player(player_id):
            _decide(lift, actor, said, is_lifted=False)
            _audit(RETURNED, likenesses.find(lift.likeness_id), actor, said)
    return _read("WHERE id = %s", [lift_id])[0]


def tally(now: datetime) -> Tally:
    """How many proposals wait for a second officer; each is due after a day."""
    return tally_sql(
        "SELECT at + interval '24 hours' AS due_at FROM compliance_likeness_lift"
        " WHERE decided_at IS NULL",
        now,
    )


def of(likeness_ids: list[UUID]) -> list[Lift]:
    """What was said about lifting these, the newest first."""
    return _read("WHERE likeness_id = ANY (%s) ORDER BY at DESC", [likeness_ids])


def _said(reason: str) -> str:
    said = storable(reason.strip())
    if not said or len(said) > REASON_MAX:
        raise Refused(LiftCode.REASON_MISSING)
    return said


def _lock(player_id: PlayerId) -> dict[PlayerId, StandingNow]:
    """Lock the account and all who were called the same; later decisions need its lock too."""
    together = likenesses.called_same(player_id)
    return lock_standings({player_id, *(one.excluded_id for one in together)})


def _may_be_lifted(
    player_id: PlayerId, seen: list[Waiting], held: dict[PlayerId, StandingNow]
) -> StandingNow:
    """The standing of the account, where nothing but the decisions ``seen`` excludes it."""
    decided = likenesses.decisions(player_id)
    if not all(one.is_same and decided.get(one.excluded_id) for one in seen):
        raise Refused(LiftCode.NOT_DECIDED_SAME)
    standing = held.get(player_id)
    if standing is None or not standing.excluded(database_now()):
        raise Refused(LiftCode.NOT_EXCLUDED)
    if _has_own(player_id):
        raise Refused(LiftCode.OWN_EXCLUSION)
    if _another_holds(player_id, {one.excluded_id for one in seen}, decided):
        raise Refused(LiftCode.STILL_SAME)
    return standing


def _has_own(player_id: PlayerId) -> bool:
    """Whether they, or an officer because of harm, ever began an exclusion of this account."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM compliance_register_entry WHERE player_id = %s"
            " AND by_actor <> %s)",
            [player_id, str(KEEPER)],
        )
        return bool(cursor.fetchone()[0])


def _another_holds(player_id: PlayerId, seen: set[PlayerId], decided: dict[PlayerId, bool]) -> bool:
    """Whether the account is another excluded person's too, by names or by an officer's word.

    Who is excluded only since, and because they are like this account, is nobody to hold it.
    """
    alike = {}
    person = entries.known(player_id)
    if person is not None:
        names = [name.text for name in person.names]
        found = entries.excluded_like(names, person.born, besides=player_id)
        alike = {one.player_id: one.is_same for one in found}
    by_word = {one for one, is_same in decided.items() if is_same}
    others = (set(alike) | entries.excluded_among(by_word)) - seen
    same = {one for one in others if decided.get(one, alike.get(one, False))}
    return bool(entries.not_excluded_with(player_id, same))


def _apart_from_their_others(
    player_id: PlayerId, seen: list[Waiting], said: str, actor: Actor
) -> None:
    """The word counts for other excluded accounts of the same people: only alike, and not asked."""
    theirs: set[PlayerId] = set()
    for one in seen:
        theirs |= {
            other.player_id for other in entries.others_like(one.excluded_id) if other.is_same
        }
        said_of = likenesses.decisions(one.excluded_id)
        theirs |= {other for other, is_same in said_of.items() if is_same}
    decided = likenesses.decisions(player_id)
    for other in sorted(entries.excluded_among(theirs - decided.keys() - {player_id})):
        alike = entries.others_like(other)
        found = next((one for one in alike if one.player_id == player_id), None)
        if found is None or found.is_same:
            continue
        likenesses.note(player_id, other, found)
        for waiting in likenesses.waiting_between(player_id, other):
            likenesses.close(waiting.id, is_same=False, reason=said, actor=actor)


def _decide(
    lift: Lift,
    actor: Actor,
    said: str,
    *,
    is_lifted: bool,
) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE compliance_likeness_lift SET decided_at = clock_timestamp(),"
                " decided_by = %s, is_lifted = %s, decided_reason = %s"
                " WHERE id = %s AND decided_at IS NULL",
                [int(actor.id), is_lifted, said, lift.id],
            )
            if cursor.rowcount == 0:
                raise Refused(LiftCode.NOTHING_WAITS)
    except DatabaseError as error:
        if "lift_two_people" in str(error):
            raise Refused(LiftCode.SAME_PERSON) from error
        raise


def _waiting(lift_id: UUID) -> Lift:
    found = _read("WHERE id = %s AND decided_at IS NULL", [lift_id])
    if not found:
        raise Refused(LiftCode.NOTHING_WAITS)
    return found[0]


def _of_player(player_id: PlayerId) -> list[Lift]:
    return _read("WHERE player_id = %s AND decided_at IS NULL ORDER BY id", [player_id])


def _read(where: str, params: list[Any]) -> list[Lift]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_SQL} {where}", params)
        return [Lift(*row) for row in cursor.fetchall()]


def _audit(
    kind: str, seen: Waiting, actor: Actor, reason: str, before: StandingNow | None = None
) -> None:
    until = None if before is None or before.excluded_until is None else before.excluded_until
    record(
        kind,
        actor=actor,
        subject=Subject("player", str(seen.player_id)),
        component="compliance",
        before=None if until is None else {"excluded_until": until.isoformat()},
        after={"likeness": str(seen.id), "excluded_player": int(seen.excluded_id)},
        reason=reason,
    )

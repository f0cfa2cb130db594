"""Shifts: a presenter signs on to a table, presents, signs off; each round knows its presenter.

One presenter per table and one table per presenter: code says so first, and two partial unique
indexes decide between acts that do not see each other. Changes happen between rounds: whoever
signs off during a round presents it to its end, and no further round opens.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.rights import check_right
from audit.record import Subject, record
from kernel.ids import Actor, ActorKind, RoundId, new_id
from kernel.refusal import Refused
from tables import audit_kinds, locks
from tables.models import Round, Table
from tables.opening import reasons as opening
from tables.play.sightings import CHANNEL
from tables.presenters import presenters
from tables.presenters.models import Shift

RELIEVE: Final = "tables.relieve"
#: Who ends the shift of somebody who may not present any more.
RUNNER: Final = Actor.system("runner")


class ShiftCode(StrEnum):
    """Why somebody is not signed on or off. What a presenter lacks is an ``OpeningCode``."""

    UNKNOWN_TABLE = "unknown_table"
    NOT_ONESELF = "not_oneself"
    TABLE_TAKEN = "table_taken"
    ROUND_IN_PLAY = "round_in_play"
    PRESENTER_ELSEWHERE = "presenter_elsewhere"
    SHIFT_ENDING = "shift_ending"
    NOT_ON_SHIFT = "not_on_shift"


def sign_on(table_id: str, presenter_id: int, actor: Actor) -> Shift:
    """Begin a presenter's shift at a table. Audited; repeating it answers with the same shift.

    Refuses with ``UNKNOWN_TABLE``; ``NOT_ONESELF`` where one member of staff signs another on;
    what the presenter lacks (``LICENCE_EXPIRED`` and the like, by the database's clock);
    ``TABLE_TAKEN``, ``PRESENTER_ELSEWHERE``, or ``SHIFT_ENDING`` while the own shift ends. A shift
    whose presenter is leaving gives way once its last round is over. Locks the table.
    """
    if actor.kind is ActorKind.STAFF and actor.id != str(presenter_id):
        raise Refused(ShiftCode.NOT_ONESELF)
    try:
        with transaction.atomic():
            return _sign_on(table_id, presenter_id, actor)
    except IntegrityError as taken:
        raise _refusal(taken) from taken


def sign_off(table_id: str, presenter_id: int, actor: Actor) -> Shift:
    """End the presenter's shift now, or with the round in play: then ``leaving_at`` is set.

    Anybody ends their own; another's takes the right to relieve (``NOT_ALLOWED``). Audited and
    idempotent while the shift ends. Refuses with ``UNKNOWN_TABLE`` or ``NOT_ON_SHIFT``. Locks the
    table.
    """
    if actor != Actor.staff(presenter_id):
        check_right(actor, RELIEVE)
    with transaction.atomic():
        round_, now = _locked(table_id)
        shift = on_shift(table_id)
        if shift is None or shift.presenter_id != presenter_id:
            raise Refused(ShiftCode.NOT_ON_SHIFT, table=table_id)
        if round_ is None:
            _end(shift, now, actor)
        elif shift.leaving_at is None:
            shift.leaving_at, shift.leaving_by = now, str(actor)
            shift.save(update_fields=["leaving_at", "leaving_by"])
            _record(
                audit_kinds.SHIFT_LEAVING,
                shift,
                actor,
                before={"leaving": False},
                after={"leaving": True, "round": round_.number},
            )
    return shift


def end_leaving(table_id: str, now: datetime) -> None:
    """End the shift of who is leaving, or is no presenter any more, with no round in play.

    The first in the name of whoever signed them off, the second in the platform's own: a role that
    was taken frees the table for the next presenter. Needs the table's lock.
    """
    shift = on_shift(table_id)
    if shift is None:
        return
    if shift.leaving_at is not None:
        _end(shift, now, _signed_off_by(shift))
    elif not presenters.is_employed(shift.presenter_id):
        _end(shift, now, RUNNER, reason=opening.OpeningCode.NOT_A_PRESENTER)


def on_shift(table_id: str) -> Shift | None:
    """The open shift at the table."""
    return (
        Shift.objects.select_related("presenter").filter(table_id=table_id, ended_at=None).first()
    )


def table_of(presenter_id: int) -> str | None:
    """Where the presenter is on shift."""
    found = Shift.objects.filter(presenter_id=presenter_id, ended_at=None).first()
    return None if found is None else found.table_id


def presenter_of(round_id: RoundId | UUID) -> int | None:
    """Who presented the round; None for a round from before shifts were kept."""
    shift = Shift.objects.filter(rounds__id=round_id).first()
    return None if shift is None else shift.presenter_id


def _sign_on(table_id: str, presenter_id: int, actor: Actor) -> Shift:
    round_, now = _locked(table_id)
    table = Table.objects.get(id=table_id)
    shift = on_shift(table_id)
    if shift is not None and round_ is None:
        end_leaving(table_id, now)
        shift = on_shift(table_id)
    if shift is not None and shift.presenter_id == presenter_id:
        if shift.leaving_at is not None:
            raise Refused(ShiftCode.SHIFT_ENDING, table=table_id)
        return shift
    _check_papers(presenter_id, table.game, now)
    if shift is not None:
        raise Refused(ShiftCode.TABLE_TAKEN, table=table_id)
    if round_ is not None:
        raise Refused(ShiftCode.ROUND_IN_PLAY, round=round_.number)
    elsewhere = table_of(presenter_id)
    if elsewhere is not None:
        raise Refused(ShiftCode.PRESENTER_ELSEWHERE, table=elsewhere)
    made = Shift.objects.create(
        id=new_id(), table=table, presenter_id=presenter_id, began_at=now, began_by=str(actor)
    )
    _record(
        audit_kinds.SHIFT_BEGAN, made, actor, before={"on_shift": False}, after={"on_shift": True}
    )
    _wake(table_id)
    return made


def _check_papers(presenter_id: int, game: str, now: datetime) -> None:
    if not presenters.is_employed(presenter_id):
        raise Refused(opening.OpeningCode.NOT_A_PRESENTER)
    for reason in opening.lacking(presenters.papers_of(presenter_id), game, now):
        raise Refused(reason.code, **reason.data)


def _locked(table_id: str) -> tuple[Round | None, datetime]:
    """The table and its round in play under their locks, and the time after them."""
    locks.lock_table(table_id)
    if not Table.objects.filter(id=table_id).exists():
        raise Refused(ShiftCode.UNKNOWN_TABLE, table=table_id[:40])
    return locks.lock_current_round(table_id)


def _end(shift: Shift, now: datetime, actor: Actor, *, reason: str = "") -> None:
    shift.ended_at, shift.ended_by = now, str(actor)
    shift.save(update_fields=["ended_at", "ended_by"])
    _record(
        audit_kinds.SHIFT_ENDED,
        shift,
        actor,
        before={"ended": False},
        after={"ended": True, "rounds": shift.rounds.count()},
        reason=reason,
    )


def _signed_off_by(shift: Shift) -> Actor:
    """Who said that they leave; the presenter for one from before that was kept."""
    kind, _, who = shift.leaving_by.partition(":")
    return Actor(ActorKind(kind), who) if who else Actor.staff(shift.presenter_id)


def _record(
    kind: str,
    shift: Shift,
    actor: Actor,
    *,
    before: dict[str, bool],
    after: dict[str, bool | int],
    reason: str = "",
) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("table", shift.table_id),
        component="tables",
        before=before,
        after={"shift": str(shift.id), "presenter": shift.presenter_id, **after},
        reason=reason,
    )


def _refusal(taken: IntegrityError) -> Refused:
    """What the two unique indexes say; anything else is a bug and goes on as it is."""
    name = getattr(getattr(taken.__cause__, "diag", None), "constraint_name", None)
    if name == "shift_one_per_presenter":
        return Refused(ShiftCode.PRESENTER_ELSEWHERE, table=None)
    if name == "shift_one_per_table":
        return Refused(ShiftCode.TABLE_TAKEN, table=None)
    raise taken


def _wake(table_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, table_id])

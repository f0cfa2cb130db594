"""A result by hand: two people enter the number, neither of them presents the round (F33, F34).

The second does not see what the first entered. Equal numbers make the round official, marked as
``manual`` for everybody, and the ordinary runner settles it; different ones are kept, and both
enter again. That they are two people, and that a suspended round becomes official in no other way,
is held by the database (migration 0007).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from audit.record import Subject, record
from events import stream
from kernel.clock import epoch_ms
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables import audit_kinds, locks
from tables.floor_plan import stream_name
from tables.incidents.desk import ENTER_RESULT, Acting, Desk, Done, begin, waiting_entry
from tables.incidents.records import IncidentAct, ManualEntry
from tables.incidents.rules import Act, IncidentCode
from tables.models import Round
from tables.phases import Phase, step
from tables.play import settlement, suspension
from tables.play.evidence import Source
from tables.rules import roulette


@dataclass(frozen=True, slots=True)
class Entered:
    """One number is in. ``official``: it was the second, and it agreed."""

    done: Done
    official: bool


def enter(acting: Acting, number: int) -> Entered:
    """Enter the number that lies on the wheel: the first of two, or the second.

    Refuses with ``NOT_ON_WHEEL``; ``SAME_PERSON`` (the first is yours); ``IS_PRESENTER``;
    ``ENTRIES_DISAGREE`` (recorded: both enter again); ``BETTING_WAS_OPEN``, ``REFUNDS_BEGUN``,
    ``ROUND_NOT_SUSPENDED``, ``NEWER_INCIDENT``, ``STEPS_OPEN``, ``NOT_IN_PROCEDURE``; and what
    `incident_desk.begin` refuses. Locks the table and the round.
    """
    if type(number) is not int or number not in roulette.NUMBERS:
        raise Refused(IncidentCode.NOT_ON_WHEEL)
    with transaction.atomic():
        desk = begin(acting, Act.MANUAL_RESULT, {"number": number}, permission=ENTER_RESULT)
        if desk.answer is not None:
            return Entered(desk.answer, official=_was_official(desk.answer))
        round_, now = locks.lock_round(_round(desk).id)
        first = waiting_entry(round_)
        if first is None:
            return Entered(_first(desk, number), official=False)
        agrees = first.number == number
        done = _second(desk, first, number)
        if agrees:
            _declare(round_, number, now, actors=(first.actor, str(acting.actor)))
    if not agrees:
        raise Refused(IncidentCode.ENTRIES_DISAGREE, incident=str(desk.incident.id))
    suspension.wake(round_.table_id)
    return Entered(done, official=True)


def _first(desk: Desk, number: int) -> Done:
    """The number itself is told to nobody until the round is resolved: not in act or audit."""
    last = ManualEntry.objects.filter(round=desk.round).aggregate(n=Max("attempt"))["n"] or 0
    _store(desk, last + 1, 1, number)
    return desk.finish({"attempt": last + 1, "place": 1})


def _second(desk: Desk, first: ManualEntry, number: int) -> Done:
    _store(desk, first.attempt, 2, number)
    agrees = first.number == number
    return desk.finish(
        {"attempt": first.attempt, "place": 2},
        after={"numbers": [first.number, number], "first": first.actor},
        code=None if agrees else IncidentCode.ENTRIES_DISAGREE,
    )


def _store(desk: Desk, attempt: int, place: int, number: int) -> None:
    ManualEntry.objects.create(
        id=new_id(),
        incident=desk.incident,
        round=_round(desk),
        attempt=attempt,
        place=place,
        number=number,
        actor=str(desk.acting.actor),
        at=desk.now,
    )


def _declare(round_: Round, number: int, now: datetime, *, actors: tuple[str, str]) -> None:
    """The result stands: from here on the round settles for everybody, by its ordinary runner."""
    before = Phase(round_.phase)
    round_.phase = step(before, Phase.OFFICIAL)
    round_.phase_at = round_.official_at = now
    round_.result = number
    round_.result_sources = [Source.MANUAL.value]
    round_.save(update_fields=["phase", "phase_at", "official_at", "result", "result_sources"])
    told: dict[str, Any] = settlement.result_facts(round_)
    record(
        audit_kinds.MANUAL_RESULT,
        actor=Actor.staff(int(actors[1].partition(":")[2])),
        subject=Subject("round", str(round_.id)),
        component="tables",
        before={"phase": before.value},
        after={"phase": round_.phase, "result": number, "entered_by": list(actors)},
    )
    stream.append(
        stream_name(round_.table_id),
        "phase",
        {"round": round_.number, "phase": str(round_.phase), "at": epoch_ms(now), **told},
    )


def _was_official(answer: Done) -> bool:
    act = IncidentAct.objects.get(incident_id=answer.incident_id, n=answer.version)
    return bool(act.data.get("place") == 2)


def _round(desk: Desk) -> Round:
    if desk.round is None:
        raise Refused(IncidentCode.NO_ROUND)
    return desk.round

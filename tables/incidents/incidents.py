"""What people do about an incident: take it, tick its steps, note, resolve its round, resume.

Each act says which version of the incident was seen (another one: ``STALE``, nothing done) and has
a key of its own (repeated: the same answer; with other input: ``KEY_CONFLICT``). What the procedure
of the fault allows is decided under the table's lock (`incident_rules`). The number entered by
hand is in `tables.incidents.manual_result`, reading in `tables.incidents.view`.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog
from django.db import OperationalError, connections, transaction

from kernel.ids import Actor, ActorKind
from kernel.refusal import Refused
from tables.incidents.desk import Acting, Desk, Done, begin, checked_text
from tables.incidents.records import IncidentAct
from tables.incidents.rules import Act, IncidentCode
from tables.incidents.sweep import Swept, each
from tables.models import Round
from tables.phases import Phase
from tables.play import settlement, suspension

log = structlog.get_logger(__name__)

#: Refunds wait for the round's lock 250 ms at a time; what does not come through is swept.
TRIES: Final = 5
CAUSE_CHARS_MAX: Final = 200
REF_CHARS_MAX: Final = 80


def take(acting: Acting) -> Done:
    """Say that ``acting.actor`` works on it; from whoever had it before, who may take it back.

    Refuses with ``ALREADY_YOURS``, ``RESOLVED`` and what `incident_desk.begin` refuses.
    """
    with transaction.atomic():
        desk = begin(acting, Act.TAKE, {})
        if desk.answer is not None:
            return desk.answer
        before = desk.incident.taken_by
        desk.incident.taken_by = str(acting.actor)
        return desk.finish(
            {}, before={"taken_by": before}, after={"taken_by": desk.incident.taken_by}
        )


def tick(acting: Acting, step: str) -> Done:
    """Tick one step of the procedure as done. Refuses with ``UNKNOWN_STEP`` or ``STEP_DONE``."""
    with transaction.atomic():
        desk = begin(acting, Act.TICK, {"step": step})
        if desk.answer is not None:
            return desk.answer
        if step not in {one.id for one in desk.facts.procedure.steps}:
            raise Refused(IncidentCode.UNKNOWN_STEP, step=step[:40])
        if step in desk.facts.ticked:
            raise Refused(IncidentCode.STEP_DONE, step=step)
        return desk.finish({"step": step})


def note(acting: Acting, text: str) -> Done:
    """Write something down, also after the end. Refuses with ``NO_TEXT`` or ``TOO_LONG``."""
    with transaction.atomic():
        desk = begin(acting, Act.NOTE, {"text": text})
        if desk.answer is not None:
            return desk.answer
        return desk.finish({"text": checked_text(text, needed=IncidentCode.NO_TEXT)})


def void(acting: Acting, reason: str, text: str = "") -> Done:
    """Void the incident's round: every stake returns (F36). ``reason`` is one of the procedure's.

    The decision commits first; the refunds follow in chunks and are finished by `finish_voids`
    where this process dies or somebody is in the way: `is_returned` says which. Refuses with
    ``UNKNOWN_REASON``, ``ROUND_NOT_SUSPENDED``, ``STEPS_OPEN``, ``NOT_IN_PROCEDURE``.
    """
    with transaction.atomic():
        desk = begin(acting, Act.VOID, {"reason": reason, "text": text})
        done = desk.answer or _decide_void(desk, reason, text)
    each("void", [_round_id(desk)], _refund)
    return done


def is_returned(incident_id: UUID) -> bool:
    """Whether every stake of the incident's round was refunded."""
    return Round.objects.filter(incidents=incident_id, phase=Phase.VOIDED).exists()


def _decide_void(desk: Desk, reason: str, text: str) -> Done:
    if reason not in desk.facts.procedure.void_reasons:
        raise Refused(IncidentCode.UNKNOWN_REASON, reason=reason[:40])
    text = checked_text(text, needed=None)
    return desk.finish(
        {"reason": reason, "text": text},
        before={"phase": Phase.SUSPENDED.value},
        reason=text or reason,
    )


def respin(acting: Acting, text: str) -> Done:
    """Let the incident's round spin again: bets stay valid. ``text`` says why.

    Refuses with ``NO_CAUSE``, ``ROUND_NOT_SUSPENDED``, ``REFUNDS_BEGUN``, ``DEVICES_NOT_WELL``,
    ``STEPS_OPEN``, ``NOT_IN_PROCEDURE``.
    """
    with transaction.atomic():
        desk = begin(acting, Act.RESPIN, {"text": text})
        if desk.answer is not None:
            return desk.answer
        text = checked_text(text, needed=IncidentCode.NO_CAUSE)
        done = desk.finish({"text": text}, reason=text)
        suspension.respin_round(_round_id(desk), reason=text, actor=acting.actor)
    return done


def resume(acting: Acting, cause: str) -> Done:
    """Open the table again, with the cause that was found; every open incident of it ends.

    Where the policy asks for a second person this proposes, and `confirm_resume` by somebody else
    opens. Refuses with ``NO_CAUSE``, ``ROUND_UNRESOLVED``, ``DEVICES_NOT_WELL``, ``STEPS_OPEN``,
    ``OTHERS_OPEN``, ``PROPOSED``, ``NOT_SUSPENDED``.
    """
    with transaction.atomic():
        desk = begin(acting, Act.RESUME, {"cause": cause})
        if desk.answer is not None:
            return desk.answer
        cause = checked_text(cause, needed=IncidentCode.NO_CAUSE, length=CAUSE_CHARS_MAX)
        desk.incident.cause = cause
        if desk.facts.second_person:
            desk.incident.proposed_by = str(acting.actor)
            desk.incident.proposed_at = desk.now
            return desk.finish(
                {"cause": cause, "proposed": True},
                after={"proposed_by": str(acting.actor)},
                reason=cause,
            )
        done = desk.finish({"cause": cause, "proposed": False}, reason=cause)
        suspension.reopen(desk.incident.table_id, cause=cause, actor=acting.actor)
    suspension.wake(desk.incident.table_id)
    return done


def was_proposed(done: Done) -> bool:
    """Whether what `resume` did was to propose."""
    act = IncidentAct.objects.get(incident_id=done.incident_id, n=done.version)
    return bool(act.data.get("proposed"))


def confirm_resume(acting: Acting) -> Done:
    """Open the table on somebody else's proposal.

    Refuses with ``SAME_PERSON``, ``NOT_PROPOSED`` and what `resume` refuses.
    """
    with transaction.atomic():
        desk = begin(acting, Act.CONFIRM_RESUME, {})
        if desk.answer is not None:
            return desk.answer
        incident = desk.incident
        done = desk.finish({"cause": incident.cause}, reason=incident.cause)
        suspension.reopen(
            incident.table_id,
            cause=incident.cause,
            actor=acting.actor,
            proposed_by=incident.proposed_by,
        )
    suspension.wake(incident.table_id)
    return done


def decline_resume(acting: Acting, text: str) -> Done:
    """Take a proposal to resume off the desk, one's own or somebody's. Refuses ``NO_TEXT``."""
    with transaction.atomic():
        desk = begin(acting, Act.DECLINE_RESUME, {"text": text})
        if desk.answer is not None:
            return desk.answer
        text = checked_text(text, needed=IncidentCode.NO_TEXT)
        before = {"proposed_by": desk.incident.proposed_by, "cause": desk.incident.cause}
        desk.incident.proposed_by = desk.incident.cause = ""
        desk.incident.proposed_at = None
        return desk.finish({"text": text}, before=before, reason=text)


def report(acting: Acting, reference: str) -> Done:
    """Record that the regulator was told, with the reference of the message (F39).

    Refuses with ``NO_TEXT``, ``NOTHING_TO_REPORT`` or ``REPORTED``.
    """
    with transaction.atomic():
        desk = begin(acting, Act.REPORT, {"reference": reference})
        if desk.answer is not None:
            return desk.answer
        reference = checked_text(reference, needed=IncidentCode.NO_TEXT, length=REF_CHARS_MAX)
        desk.incident.reported_at = desk.now
        desk.incident.report_ref = reference
        return desk.finish({"reference": reference})


def finish_voids() -> Swept:
    """Finish refunds that were decided and that no process has ended. Idempotent, raises nothing.

    A round whose refunds fail is left for the next call and stops no other.
    """
    begun = Round.objects.filter(phase=Phase.SUSPENDED, incidents__acts__act=Act.VOID.value)
    return each("void", list(begun.values_list("id", flat=True).distinct()), _refund)


def _refund(round_id: UUID) -> bool:
    """Work the refunds off under the reason and the name of whoever decided first.

    False where a lock was never had.
    """
    decided = IncidentAct.objects.filter(act=Act.VOID.value, incident__round_id=round_id)
    first = decided.order_by("at").first()
    if first is None:
        return False
    kind, _, of = first.actor.partition(":")
    for _ in range(TRIES):
        try:
            settlement.void(
                round_id, reason=str(first.data["reason"]), actor=Actor(ActorKind(kind), of)
            )
        except OperationalError as failure:
            log.warning("refunds_wait", round=str(round_id), error=str(failure)[:200])
            connections.close_all()
        else:
            return True
    return False


def _round_id(desk: Desk) -> UUID:
    if desk.round is None:
        raise Refused(IncidentCode.NO_ROUND)
    return desk.round.id

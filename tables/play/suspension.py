"""Stopping a table, and starting it again.

A suspension acts at once through the rows that the bet path reads: the round's phase and the
table's status. It opens an incident that says what was seen. A round with an official result is
never stopped: it settles for everybody. A suspended round is refunded in full, spins again, or
ends on a number that two people entered (`tables.incidents.manual_result`). What people do about an
incident goes through `tables.incidents`; these are the acts beneath, which hold their own rules.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.record import Subject, record
from events import stream
from kernel.clock import epoch_ms
from kernel.ids import Actor, ActorKind, new_id
from kernel.refusal import Refused
from tables import audit_kinds, locks
from tables.floor_plan import stream_name
from tables.incidents import procedures
from tables.incidents.records import IncidentAct
from tables.incidents.rules import Act, IncidentCode
from tables.models import BetOutcome, Incident, OutcomeKind, Round, Table, TableStatus
from tables.opening import facts as opening_facts
from tables.phases import STOPPABLE, Phase, step
from tables.play import settlement
from tables.play.evidence import Fault
from tables.play.sightings import CHANNEL, last_position

#: Why the ball is launched again, as the public event says it; the staff's own words are audited.
RESPUN: Final = "respun"
#: What an incident keeps of what was seen, and a note of a cause.
DETAIL_CHARS_MAX: Final = 400


class FloorCode(StrEnum):
    """Why an act on the floor is refused."""

    UNKNOWN_TABLE = "unknown_table"
    TABLE_CLOSED = "table_closed"
    NO_CAUSE = "no_cause"
    NOT_SUSPENDED = "not_suspended"
    ROUND_UNRESOLVED = "round_unresolved"
    ROUND_NOT_SUSPENDED = "round_not_suspended"
    REFUNDS_BEGUN = "refunds_begun"
    DEVICES_NOT_WELL = "devices_not_well"
    SECOND_PERSON = "second_person_needed"
    STOP_OVER = "stop_over"


def suspend(
    table_id: str,
    fault: Fault,
    *,
    detail: str,
    actor: Actor,
    lease: locks.Lease | None = None,
    order: UUID | None = None,
) -> Incident | None:
    """Stop the table now: no bet is taken from this commit on. Idempotent while suspended.

    ``order`` is the caller's own key and becomes the incident's id: the same order again stops
    nothing again, and is refused when its incident was resolved (``STOP_OVER``) or with another
    cause (``KEY_CONFLICT``). A person says the cause (``NO_CAUSE``), and stops no closed table
    (``TABLE_CLOSED``): it would be opened again by one person. Where nothing is left to stop, a
    person's cause becomes a note on every open incident of the table: whoever confirms a resume at
    any of them has read it first. The newest is returned.

    The round in play is stopped with it unless its result is official. A runner passes its
    ``lease``, so that one that lost the table cannot stop its successor (``LeaseLost``). Returns
    the open incident; None where the table is suspended without one.
    """
    is_person = actor.kind is ActorKind.STAFF
    if is_person and not detail.strip():
        raise Refused(FloorCode.NO_CAUSE)
    with transaction.atomic():
        if lease is not None:
            locks.lock_owner(lease)
        locks.lock_table(table_id)
        round_, now = locks.lock_current_round(table_id)
        known = None if order is None else _known(order, actor, (table_id, fault, detail))
        if known is not None:
            return known
        if is_person and _is_closed(table_id, round_):
            raise Refused(FloorCode.TABLE_CLOSED, table=table_id)
        incident = stop_round(table_id, round_, now, fault, detail, incident_id=order)
        if incident is not None:
            announce_stop(incident, round_, now, actor)
            return incident
        open_ones = list(Incident.objects.filter(table_id=table_id, resolved_at=None))
        if is_person:
            for number, incident in enumerate(open_ones):
                key = order if order is not None and number == 0 else new_id()
                _note_cause(incident, detail, now, actor=actor, order=key)
        return open_ones[0] if open_ones else None


def _known(order: UUID, actor: Actor, asked: tuple[str, Fault, str]) -> Incident | None:
    """The open incident that this order opened, or on which it left the actor's cause."""
    table_id, fault, detail = asked
    opened = Incident.objects.filter(id=order).first()
    noted = IncidentAct.objects.filter(actor=str(actor), key=order.hex).select_related("incident")
    act = noted.first()
    if opened is not None:
        is_same = (opened.fault, opened.detail) == (fault.value, detail[:DETAIL_CHARS_MAX])
    elif act is not None:
        opened, is_same = act.incident, act.data == _cause(detail)
    else:
        return None
    if opened.table_id != table_id or not is_same:
        raise Refused(IncidentCode.KEY_CONFLICT)
    if opened.resolved_at is not None:
        raise Refused(FloorCode.STOP_OVER, table=table_id)
    return opened


def _cause(detail: str) -> dict[str, str]:
    return {"text": detail.strip()[:DETAIL_CHARS_MAX]}


def _is_closed(table_id: str, round_: Round | None) -> bool:
    """Whether nothing runs at the table that a person could want to stop."""
    if round_ is not None and round_.phase in STOPPABLE:
        return False
    return Table.objects.filter(id=table_id, status=TableStatus.CLOSED).exists()


def _note_cause(
    incident: Incident, detail: str, now: datetime, *, actor: Actor, order: UUID
) -> None:
    """Keep why somebody wanted to stop a table that had stopped already. Needs the table's lock."""
    incident.version += 1
    incident.save(update_fields=["version"])
    data = _cause(detail)
    IncidentAct.objects.create(
        id=new_id(),
        incident=incident,
        n=incident.version,
        act=Act.NOTE.value,
        actor=str(actor),
        at=now,
        key=order.hex,
        fingerprint="",
        data=data,
    )
    record(
        audit_kinds.INCIDENT_ACTS[Act.NOTE],
        actor=actor,
        subject=Subject("incident", str(incident.id)),
        component="tables",
        before={"version": incident.version - 1},
        after={"version": incident.version, "table": incident.table_id, **data},
    )


def stop_round(
    table_id: str,
    round_: Round | None,
    now: datetime,
    fault: Fault,
    detail: str,
    incident_id: UUID | None = None,
) -> Incident | None:
    """Mark table and (stoppable) round suspended and open the incident.

    Needs the round's lock. None when the table is suspended already with nothing more to stop.
    """
    table = Table.objects.filter(id=table_id).first()
    if table is None:
        raise Refused(FloorCode.UNKNOWN_TABLE, table=table_id)
    stoppable = round_ is not None and round_.phase in STOPPABLE
    if table.status == TableStatus.SUSPENDED and not stoppable:
        return None
    status_before, table.status = table.status, TableStatus.SUSPENDED
    table.save(update_fields=["status"])
    procedure = procedures.of(fault, detail)
    phase_before = "" if round_ is None else round_.phase
    if round_ is not None and stoppable:
        round_.phase = step(Phase(round_.phase), Phase.SUSPENDED)
        round_.phase_at = now
        round_.closed_at = round_.closed_at or now
        round_.save(update_fields=["phase", "phase_at", "closed_at"])
    return Incident.objects.create(
        id=incident_id or new_id(),
        table=table,
        round=round_,
        fault=fault.value,
        detail=detail[:DETAIL_CHARS_MAX],
        opened_at=now,
        procedure=procedure.name,
        status_before=status_before,
        evidence_since=None if round_ is None else round_.evidence_since,
        phase_before=phase_before,
        needs_second_person=procedure.second_person,
        report_due_at=None
        if procedure.report_hours is None
        else now + timedelta(hours=procedure.report_hours),
    )


def announce_stop(incident: Incident, round_: Round | None, now: datetime, actor: Actor) -> None:
    """Audit and event of a stop; ends the transaction (stream lock)."""
    record(
        audit_kinds.TABLE_SUSPENDED,
        actor=actor,
        subject=Subject("table", incident.table_id),
        component="tables",
        before={"status": incident.status_before, "phase": incident.phase_before or None},
        after={
            "status": TableStatus.SUSPENDED.value,
            "incident": str(incident.id),
            "fault": incident.fault,
            "detail": incident.detail,
            "round": round_.number if round_ else None,
            "phase": round_.phase if round_ else None,
        },
        reason=incident.fault,
    )
    stream.append(
        stream_name(incident.table_id),
        "suspended",
        {
            "round": round_.number if round_ else None,
            "phase": round_.phase if round_ else None,
            "fault": incident.fault,
            "at": epoch_ms(now),
        },
    )


def void_round(round_id: UUID, *, reason: str, actor: Actor) -> None:
    """Refund a suspended round in full (F36). Idempotent; any other phase is refused."""
    if not reason.strip():
        raise Refused(FloorCode.NO_CAUSE)
    phase = Round.objects.values_list("phase", flat=True).get(id=round_id)
    if phase not in {Phase.SUSPENDED, Phase.VOIDED}:
        raise Refused(FloorCode.ROUND_NOT_SUSPENDED, phase=phase)
    settlement.void(round_id, reason=reason[:60], actor=actor)


def respin_round(round_id: UUID, *, reason: str, actor: Actor) -> None:
    """Let a suspended round spin again: bets stay valid, what was seen so far no longer counts.

    The table itself stays suspended for new rounds until it is resumed.
    """
    if not reason.strip():
        raise Refused(FloorCode.NO_CAUSE)
    with transaction.atomic():
        round_, now = locks.lock_round(round_id)
        if round_.phase != Phase.SUSPENDED:
            raise Refused(FloorCode.ROUND_NOT_SUSPENDED, phase=round_.phase)
        if refunds_begun(round_.id):
            raise Refused(FloorCode.REFUNDS_BEGUN, round=round_.number)
        round_.phase = step(Phase.SUSPENDED, Phase.NO_SPIN)
        round_.phase_at = now
        round_.evidence_after = last_position(round_.table_id)
        round_.evidence_since = now
        round_.respins += 1
        round_.save(
            update_fields=["phase", "phase_at", "evidence_after", "evidence_since", "respins"]
        )
        record(
            audit_kinds.RESPUN,
            actor=actor,
            subject=Subject("round", str(round_.id)),
            component="tables",
            before={"phase": Phase.SUSPENDED.value},
            after={
                "phase": round_.phase,
                "respins": round_.respins,
                "evidence_after": round_.evidence_after,
                "evidence_since": epoch_ms(now),
            },
            reason=reason,
        )
        stream.append(
            stream_name(round_.table_id),
            "no_spin",
            {
                "round": round_.number,
                "phase": round_.phase,
                "reason": RESPUN,
                "respins": round_.respins,
                "at": epoch_ms(now),
            },
        )


def refunds_begun(round_id: UUID) -> bool:
    """Whether somebody decided to void the round, or a stake of it was refunded already."""
    decided = IncidentAct.objects.filter(act=Act.VOID.value, incident__round_id=round_id)
    refunded = BetOutcome.objects.filter(round_id=round_id, kind=OutcomeKind.REFUNDED)
    return decided.exists() or refunded.exists()


def resume(table_id: str, *, cause: str, actor: Actor, proposed_by: Actor | None = None) -> None:
    """Open a suspended table again; every open incident of it ends. See `reopen`."""
    with transaction.atomic():
        locks.lock_table(table_id)
        reopen(
            table_id,
            cause=cause,
            actor=actor,
            proposed_by="" if proposed_by is None else str(proposed_by),
        )
    wake(table_id)


def reopen(table_id: str, *, cause: str, actor: Actor, proposed_by: str = "") -> None:
    """Open the table in the caller's transaction; ends it (stream lock), `wake` follows the commit.

    A table that was closed when it stopped is closed again: it opens by two people (F81) alone.
    Needs the table's lock, takes the round's.
    Refuses with ``NO_CAUSE``; ``NOT_SUSPENDED``; ``ROUND_UNRESOLVED``; ``DEVICES_NOT_WELL`` and
    ``SECOND_PERSON`` (nobody else proposed it) where the procedure of an open incident says so.
    """
    if not cause.strip():
        raise Refused(FloorCode.NO_CAUSE)
    round_, now = locks.lock_current_round(table_id)
    table = Table.objects.filter(id=table_id).first()
    if table is None:
        raise Refused(FloorCode.UNKNOWN_TABLE, table=table_id)
    if table.status != TableStatus.SUSPENDED:
        raise Refused(FloorCode.NOT_SUSPENDED, status=table.status)
    if round_ is not None and round_.phase == Phase.SUSPENDED:
        raise Refused(FloorCode.ROUND_UNRESOLVED, round=round_.number)
    table.status = _status_before(table)
    _end_incidents(table, now, cause, str(actor), proposed_by)
    table.save(update_fields=["status"])
    record(
        audit_kinds.TABLE_RESUMED,
        actor=actor,
        subject=Subject("table", table_id),
        component="tables",
        before={"status": TableStatus.SUSPENDED.value},
        after={"status": table.status, "proposed_by": proposed_by},
        reason=cause,
    )
    name = "resumed" if table.status == TableStatus.OPEN else "closed"
    stream.append(stream_name(table_id), name, {"at": epoch_ms(now)})


def _status_before(table: Table) -> TableStatus:
    """What the table was before it was stopped; incidents from before that was kept: open."""
    stops = Incident.objects.filter(table=table, resolved_at=None).order_by("-opened_at")
    first = stops.exclude(status_before=TableStatus.SUSPENDED).first()
    if first is not None and first.status_before == TableStatus.CLOSED:
        return TableStatus.CLOSED
    return TableStatus.OPEN


def _end_incidents(
    table: Table, now: datetime, cause: str, resolved_by: str, proposed_by: str
) -> None:
    """What each open incident's procedure asks for is there, and they are resolved."""
    incidents = list(Incident.objects.filter(table=table, resolved_at=None))
    if proposed_by in {"", resolved_by} and any(one.needs_second_person for one in incidents):
        raise Refused(FloorCode.SECOND_PERSON)
    asked = [procedures.named(one.procedure) for one in incidents]
    wants_devices = any(procedure.devices_well for procedure in asked if procedure is not None)
    if wants_devices and opening_facts.reasons_of_the_devices(table, now):
        raise Refused(FloorCode.DEVICES_NOT_WELL, table=table.id)
    for incident in incidents:
        incident.resolved_at, incident.resolved_by = now, resolved_by
        incident.resolution = cause[:200]
        incident.proposed_by = proposed_by or incident.proposed_by
        incident.save(update_fields=["resolved_at", "resolved_by", "resolution", "proposed_by"])


def open_table(table_id: str, *, actor: Actor) -> None:
    """Open a closed table; its runner then opens rounds. Idempotent.

    Refuses with an ``OpeningCode`` where its inspection or the rules shown stand against it.
    """
    with transaction.atomic():
        locks.lock_table(table_id)
        mark_open(table_id, actor=actor)
    wake(table_id)


def mark_open(table_id: str, *, actor: Actor) -> None:
    """What :func:`open_table` does, under the table's lock; ends the transaction (stream lock)."""
    closed = Table.objects.filter(id=table_id, status=TableStatus.CLOSED).first()
    if closed is None:
        return
    now = database_now()
    opening_facts.check_table(closed, now)
    Table.objects.filter(id=table_id).update(status=TableStatus.OPEN, opened_at=now)
    record(
        audit_kinds.TABLE_OPENED,
        actor=actor,
        subject=Subject("table", table_id),
        component="tables",
        before={"status": TableStatus.CLOSED.value},
        after={"status": TableStatus.OPEN.value},
    )
    stream.append(stream_name(table_id), "opened", {"at": epoch_ms(now)})


def wake(table_id: str) -> None:
    """Tell the table's runner to look now; what is lost costs a second."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, table_id])

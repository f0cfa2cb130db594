"""The frame of every act about an incident: who, on which version seen, exactly once per key.

`begin` takes the table's lock, so that of two people who act at once one is first and the other is
told that the page is out of date; `Desk.finish` writes the act, the next version and the audit in
the same transaction. What the act does to round and table stands in `tables.incidents.incidents`,
`tables.incidents.manual_result` and `tables.play.suspension`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from accounts.rights import may
from audit.record import Subject, record
from kernel.ids import Actor, RoundId, new_id
from kernel.refusal import Refused
from tables import audit_kinds, locks
from tables.incidents import procedures
from tables.incidents.procedures import Before, Procedure
from tables.incidents.records import IncidentAct, ManualEntry
from tables.incidents.rules import Act, Facts, IncidentCode, refusal, steps_open
from tables.models import Incident, Round, Table, TableStatus
from tables.opening import facts as opening_facts
from tables.phases import FINISHED, Phase
from tables.play import suspension
from tables.presenters import shifts

WORK: Final = "tables.work_incidents"
ENTER_RESULT: Final = "tables.enter_result"
#: As players' keys: 8 to 64 characters that pass through forms and logs unharmed.
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
TEXT_CHARS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody about to act: on which incident, having seen which version, under which key."""

    incident_id: UUID
    actor: Actor
    seen: int
    key: str


@dataclass(frozen=True, slots=True)
class Done:
    """An act that is in the record. ``replayed``: it already was, under the same key."""

    incident_id: UUID
    act: Act
    version: int
    replayed: bool


@dataclass(slots=True)
class Desk:
    """An act in its transaction. ``answer`` is set when its key was used before."""

    acting: Acting
    act: Act
    incident: Incident
    round: Round | None
    facts: Facts
    now: datetime
    fingerprint: str
    answer: Done | None = None

    def finish(
        self,
        data: Mapping[str, Any],
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        code: IncidentCode | None = None,
        reason: str = "",
    ) -> Done:
        """Write the act, save the incident under its next version, and audit. Once per act.

        ``after`` may say more than ``data``: the audit is read by others than the floor.
        """
        incident = self.incident
        incident.version += 1
        incident.save()
        IncidentAct.objects.create(
            id=new_id(),
            incident=incident,
            n=incident.version,
            act=self.act.value,
            actor=str(self.acting.actor),
            at=self.now,
            key=self.acting.key,
            fingerprint=self.fingerprint,
            data=dict(data),
            code=code.value if code else "",
        )
        record(
            audit_kinds.INCIDENT_ACTS[self.act],
            actor=self.acting.actor,
            subject=Subject("incident", str(incident.id)),
            component="tables",
            before={"version": incident.version - 1, **(before or {})},
            after={
                "version": incident.version,
                "table": incident.table_id,
                "refused": code.value if code else None,
                **dict(data),
                **(after or {}),
            },
            reason=reason,
        )
        return Done(incident.id, self.act, incident.version, replayed=False)


def begin(acting: Acting, act: Act, asked: Mapping[str, Any], *, permission: str = WORK) -> Desk:
    """The incident under its table's and round's locks, with the act judged. In a transaction.

    ``asked`` is the act's input: the same key with other input is a conflict. Refuses with
    ``NOT_ALLOWED``, ``BAD_KEY``, ``UNKNOWN_INCIDENT``, ``KEY_CONFLICT``, ``STALE``, whatever
    `incident_rules.refusal` says, or what the same key was refused with before.
    """
    check_right(acting.actor, permission)
    if not _KEY.fullmatch(acting.key):
        raise Refused(IncidentCode.BAD_KEY)
    table_id = Incident.objects.filter(id=acting.incident_id).values_list("table_id", flat=True)
    if not table_id:
        raise Refused(IncidentCode.UNKNOWN_INCIDENT, incident=str(acting.incident_id))
    locks.lock_table(table_id[0])
    _, now = locks.lock_current_round(table_id[0])
    incident = Incident.objects.select_related("table", "round").get(id=acting.incident_id)
    facts = facts_of(incident, acting.actor, now)
    desk = Desk(
        acting=acting,
        act=act,
        incident=incident,
        round=incident.round,
        facts=facts,
        now=now,
        fingerprint=_fingerprint(acting, act, asked),
    )
    desk.answer = _answered(desk)
    if desk.answer is None:
        if incident.version != acting.seen:
            raise Refused(IncidentCode.STALE, seen=acting.seen, version=incident.version)
        code = refusal(act, facts)
        if code is not None:
            raise Refused(code, incident=str(incident.id))
    return desk


def check_right(actor: Actor, permission: str) -> None:
    """Refuse with ``NOT_ALLOWED`` unless ``actor`` is staff who hold ``permission`` now."""
    if not may(actor, permission):
        raise Refused(IncidentCode.NOT_ALLOWED, permission=permission)


def checked_text(text: str, *, needed: IncidentCode | None, length: int = TEXT_CHARS_MAX) -> str:
    """``text`` without edges; refused with ``needed`` where it is empty, or ``TOO_LONG``."""
    text = text.strip()
    if not text and needed is not None:
        raise Refused(needed)
    if len(text) > length:
        raise Refused(IncidentCode.TOO_LONG, length=len(text), allowed=length)
    return text


def procedure_of(incident: Incident) -> Procedure:
    """The procedure under which the incident was opened."""
    found = procedures.named(incident.procedure)
    return found or procedures.of(incident.fault, incident.detail)


def ticked_steps(incident: Incident) -> dict[str, IncidentAct]:
    """The steps that were ticked, with the act of ticking each."""
    acts = IncidentAct.objects.filter(incident=incident, act=Act.TICK.value)
    return {str(act.data["step"]): act for act in acts}


def waiting_entry(round_: Round | None) -> ManualEntry | None:
    """The first number of an attempt that waits for its second; one from before a respin does not.

    What lay in the pocket then says nothing of the next ball (the database holds it, 0010).
    """
    if round_ is None:
        return None
    entries = ManualEntry.objects.filter(round=round_)
    if round_.evidence_since is not None:
        entries = entries.filter(at__gte=round_.evidence_since)
    last = entries.order_by("attempt", "place").last()
    return last if last is not None and last.place == 1 else None


def _stopped_since(incident: Incident) -> bool:
    """Whether the incident's round was stopped again after it."""
    if incident.round_id is None:
        return False
    stops = Incident.objects.filter(round_id=incident.round_id).order_by("opened_at", "id")
    newest = stops.last()
    return newest is not None and newest.id != incident.id


def facts_of(incident: Incident, actor: Actor, now: datetime) -> Facts:
    """The incident as it stands for ``actor``. True only as long as the table's lock is held."""
    round_ = incident.round
    open_ones = list(Incident.objects.filter(table_id=incident.table_id, resolved_at=None))
    others = [other for other in open_ones if other.id != incident.id]
    stopped = Round.objects.filter(table_id=incident.table_id, phase=Phase.SUSPENDED).exists()
    entry = waiting_entry(round_)
    presenter = None if round_ is None else shifts.presenter_of(RoundId(round_.id))
    return Facts(
        procedure=procedure_of(incident),
        resolved=incident.resolved_at is not None,
        actor=str(actor),
        taken_by=incident.taken_by,
        ticked=frozenset(ticked_steps(incident)),
        phase=None if round_ is None else Phase(round_.phase),
        phase_before=incident.phase_before,
        stopped_since=_stopped_since(incident),
        unresolved=stopped,
        refunds_begun=round_ is not None
        and round_.phase not in FINISHED
        and suspension.refunds_begun(round_.id),
        table_suspended=Table.objects.get(id=incident.table_id).status == TableStatus.SUSPENDED,
        devices_well=not opening_facts.reasons_of_the_devices(incident.table, now),
        second_person=any(one.needs_second_person for one in open_ones),
        wants_devices=any(procedure_of(one).devices_well for one in open_ones),
        others_open=any(
            steps_open(procedure_of(one), ticked_steps(one), Before.RESUME) for one in others
        ),
        proposed_by=incident.proposed_by,
        presenter="" if presenter is None else str(Actor.staff(presenter)),
        entered_by="" if entry is None else entry.actor,
        report_due=incident.report_due_at is not None,
        reported=incident.reported_at is not None,
    )


def _fingerprint(acting: Acting, act: Act, asked: Mapping[str, Any]) -> str:
    text = json.dumps([str(acting.incident_id), act.value, asked], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _answered(desk: Desk) -> Done | None:
    """What this key was answered before; None for a new one."""
    found = IncidentAct.objects.filter(actor=str(desk.acting.actor), key=desk.acting.key).first()
    if found is None:
        return None
    if found.fingerprint != desk.fingerprint:
        raise Refused(IncidentCode.KEY_CONFLICT, key=desk.acting.key)
    if found.code:
        raise Refused(IncidentCode(found.code), incident=str(found.incident_id))
    return Done(found.incident_id, Act(found.act), found.n, replayed=True)

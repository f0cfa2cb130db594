"""Cases over time: which are late, who is told, and when one may be forgotten."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.appointments import holders
from accounts.roles import Role
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import cases
from compliance.case_records import append
from compliance.case_states import HIDDEN, CaseKind, CaseState
from compliance.cases import Audience, Officer, Step
from compliance.models import Case, CaseEvent
from compliance.notice_kinds import CASE_OVERDUE
from kernel.ids import Actor, new_id
from notices.send import notify

logger = logging.getLogger(__name__)

OVERDUE: Final = register("case.overdue", "Case not answered in time")
PURGED: Final = register("case.purged", "Case forgotten after its retention")
#: Cases looked at in one run; the next one finds the rest.
BATCH: Final = 200
KEEPER: Final = Actor.system("case_keeping")


def overdue(found: QuerySet[Case], now: datetime) -> QuerySet[Case]:
    """Those of ``found`` that the house should have moved on by ``now``, longest first."""
    return found.filter(due_at__lt=now).order_by("due_at")


def alarm_overdue() -> int:
    """Tell those who work on cases of each one that has become late; returns how many.

    Once per case and due time (the event's key says so), in one transaction per case: audited, put
    into the case, and a notice to support and compliance, or to compliance alone where the kind is
    hidden.
    """
    told = 0
    was_told = CaseEvent.objects.filter(
        case_id=OuterRef("pk"), kind="overdue", at__gte=OuterRef("due_at")
    )
    untold = Case.objects.filter(~Exists(was_told))
    for case in overdue(untold, database_now())[:BATCH]:
        with transaction.atomic():
            if _note_overdue(case):
                _tell_staff(case)
                told += 1
    return told


def resolve(reference: str, text: str, *, actor: Actor) -> None:
    """Say what became of what the house opened a case about, in words for the player, and close it.

    In the caller's transaction. One that somebody closed already stays as it is. Refuses as
    `cases.close`, also where somebody has written meanwhile: the caller tries again.
    """
    who = Officer(actor)
    case = cases.find(who, reference)
    if case.state == CaseState.CLOSED:
        return
    append(case, "resolved", actor, Audience.PLAYER, text)
    step = Step(reference, case.version, f"resolved {case.version}")
    cases.close(step, "It resolved by itself.", who)


def _note_overdue(case: Case) -> bool:
    due = case.due_at.isoformat() if case.due_at else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_case_event"
            " (id, case_id, kind, actor_kind, actor_id, audience, key)"
            " VALUES (%s, %s, 'overdue', %s, %s, 'desk', %s) ON CONFLICT DO NOTHING",
            [new_id(), case.id, KEEPER.kind.value, KEEPER.id, f"due {due}"],
        )
        if cursor.rowcount != 1:
            return False
    record(
        OVERDUE,
        actor=KEEPER,
        subject=Subject("case", case.reference),
        component="compliance",
        after={"state": case.state, "due_at": due},
    )
    logger.error("case overdue: %s in state %s", case.reference, case.state)
    return True


def _tell_staff(case: Case) -> None:
    roles = {Role.COMPLIANCE} if CaseKind(case.kind) in HIDDEN else {Role.COMPLIANCE, Role.SUPPORT}
    for person_id in sorted(set().union(*(holders(role) for role in roles))):
        notify(person_id, CASE_OVERDUE, {"reference": case.reference})


def purge() -> int:
    """Forget cases whose five years after closing are over; returns how many. Hidden kinds stay:
    their time counts from the end of the relationship, which is decided elsewhere.

    The database decides (``compliance_purge_case``) and refuses any other deletion. What stays is
    the audit's line that there was a case and when it was forgotten.
    """
    gone = 0
    closed = Case.objects.filter(closed_at__isnull=False).exclude(kind__in=HIDDEN)
    for case in closed.order_by("closed_at")[:BATCH]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT compliance_purge_case(%s)", [case.id])
            if not cursor.fetchone()[0]:
                break  # ordered by closing: the next ones are younger
            record(
                PURGED,
                actor=KEEPER,
                subject=Subject("case", case.reference),
                component="compliance",
                before={"kind": case.kind, "closed_at": _iso(case.closed_at)},
            )
            gone += 1
    return gone


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

"""Two administrators give a role or reset a lost second factor: one proposes, one approves.

Otherwise every rule of two people in this house would fall to one: who may hire a second mailbox
and appoint it has a second person at hand. Only where nobody else could approve does a proposal
take effect at once, marked as such, logged, and told. Whoever was administrator within the last
week still counts, so that nobody makes themselves the only one by dismissing the other.
The database judges both by itself (`accounts/migrations/0005` and `0006`).
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from accounts import second_factor, sessions
from accounts.appointments import (
    APPOINT,
    StaffCode,
    audit,
    concerned,
    give,
    refuse_closed,
    refuse_unless_to_give,
    roles_held,
    stated,
    tell,
)
from accounts.models import StaffChange, StaffChangeKind, StaffChangeState, User
from accounts.notice_kinds import SECOND_FACTOR_CHANGED
from accounts.rights import check_right
from accounts.roles import Role
from accounts.staff_decisions import REFUSED, WAITED, decide, facts
from audit.record import register
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from notices.send import notify

logger = logging.getLogger(__name__)

PROPOSED: Final = register("staff.change_proposed", "Role or reset proposed")
APPOINTED: Final = register("staff.appointed", "Role given")
FACTOR_RESET: Final = register("staff.second_factor_reset", "Second factor of staff reset")


def propose_role(
    user_id: int, role: Role, *, reason: str, actor: Actor, until: datetime | None = None
) -> StaffChange:
    """Propose to give ``role``, for good or until a time within a year.

    In force at once where nobody else could approve. Refuses with ``NOT_ALLOWED``, ``NO_REASON``,
    ``UNKNOWN_PERSON`` (players too), ``NOT_YOURSELF``, ``ACCOUNT_CLOSED``, ``NOT_IN_TIME``,
    ``ALREADY_HELD`` while the role is in force, and ``ALREADY_PROPOSED`` while the same waits; a
    role of people from outside without an end or beside another one with ``NEEDS_END`` and
    ``ALONE``.
    """
    check_right(actor, APPOINT)
    reason = stated(reason)
    with transaction.atomic():
        user = concerned(user_id, actor)
        refuse_closed(user)
        refuse_unless_to_give(user, role, until)
        wanted = {"kind": StaffChangeKind.ROLE, "role": role.value, "until": until}
        return _propose(user, wanted, reason, actor)


def propose_reset(user_id: int, *, reason: str, actor: Actor) -> StaffChange:
    """Propose to remove a lost second factor: the person is then signed out and enrols anew.

    Refuses as :func:`propose_role`, and with ``NO_DEVICE``.
    """
    check_right(actor, APPOINT)
    reason = stated(reason)
    with transaction.atomic():
        user = concerned(user_id, actor)
        refuse_closed(user)
        if not second_factor.has_device(user):
            raise Refused(StaffCode.NO_DEVICE)
        return _propose(user, {"kind": StaffChangeKind.RESET}, reason, actor)


def approve(change_id: UUID, *, actor: Actor) -> StaffChange:
    """A second administrator agrees, and it is in force.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_CHANGE``, ``ALREADY_DECIDED``, ``SAME_PERSON``,
    ``NOT_YOURSELF``, and where it is no longer possible as its proposal; then it still waits.
    """
    check_right(actor, APPOINT)
    with transaction.atomic():
        change, user = _waiting(change_id, actor)
        if change.proposed_by == str(actor):
            raise Refused(StaffCode.SAME_PERSON)
        refuse_closed(user)
        decide(change, StaffChangeState.APPROVED, actor, "")
        _apply(change, user, actor)
    return change


def reject(change_id: UUID, *, decision: str, actor: Actor) -> StaffChange:
    """Another administrator says no and why. Refuses as :func:`approve`, and with ``NO_REASON``."""
    check_right(actor, APPOINT)
    decision = stated(decision)
    with transaction.atomic():
        change, user = _waiting(change_id, actor)
        if change.proposed_by == str(actor):
            raise Refused(StaffCode.SAME_PERSON)
        decide(change, StaffChangeState.REJECTED, actor, decision)
        audit(REFUSED, user.pk, actor, decision, before=WAITED, after=facts(change))
    return change


def withdraw(change_id: UUID, *, actor: Actor) -> StaffChange:
    """The proposer takes it back. Refuses with ``ALREADY_DECIDED``, others with ``NOT_YOURS``."""
    check_right(actor, APPOINT)
    with transaction.atomic():
        change, user = _waiting(change_id, actor)
        if change.proposed_by != str(actor):
            raise Refused(StaffCode.NOT_YOURS)
        decide(change, StaffChangeState.WITHDRAWN, actor, "")
        audit(REFUSED, user.pk, actor, "", before=WAITED, after=facts(change))
    return change


def somebody_else_could(user_id: int, actor: Actor) -> bool:
    """Whether the house has, or had within a week, an administrator who could approve this."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_somebody_else_could(%s, %s)", [str(actor), user_id])
        return bool(cursor.fetchone()[0])


def _propose(user: User, wanted: dict[str, Any], reason: str, actor: Actor) -> StaffChange:
    same = StaffChange.objects.filter(
        user=user,
        kind=wanted["kind"],
        role=wanted.get("role", ""),
        state=StaffChangeState.PROPOSED,
    )
    if same.exists():
        raise Refused(StaffCode.ALREADY_PROPOSED)
    change = StaffChange.objects.create(
        id=new_id(), user=user, reason=reason, proposed_by=str(actor), **wanted
    )
    audit(PROPOSED, user.pk, actor, reason, after=facts(change))
    if somebody_else_could(user.pk, actor):
        tell(f"Proposed, waits for a second administrator: {_words(change)}", user, actor)
        return change
    change.is_alone = True
    logger.warning("staff change without a second administrator: %s by %s", change, actor)
    decide(change, StaffChangeState.APPROVED, actor, "")
    _apply(change, user, actor)
    return change


def _apply(change: StaffChange, user: User, actor: Actor) -> None:
    """Needs the user's lock and the approval written."""
    by = {"proposed_by": change.proposed_by, "alone": change.is_alone}
    if change.kind == StaffChangeKind.ROLE:
        before: dict[str, Any] = {"roles": roles_held(user), **WAITED}
        give(user, change)
        after = {"roles": roles_held(user), **facts(change), **by}
        audit(APPOINTED, user.pk, actor, change.reason, before=before, after=after)
    else:
        if not second_factor.remove(user):
            raise Refused(StaffCode.NO_DEVICE)
        ended = sessions.end_all(user.pk)
        before = {"second_factor": True, **WAITED}
        after = {"second_factor": False, "state": change.state, "sessions_ended": ended, **by}
        audit(FACTOR_RESET, user.pk, actor, change.reason, before=before, after=after)
        notify(user.pk, SECOND_FACTOR_CHANGED, {})
    alone = " (nobody else could approve)" if change.is_alone else ""
    tell(f"{_words(change)}{alone}", user, actor)


def _waiting(change_id: UUID, actor: Actor) -> tuple[StaffChange, User]:
    """The change and whom it concerns, under that row's lock, which everybody who decides takes."""
    user_id = StaffChange.objects.filter(pk=change_id).values_list("user_id", flat=True).first()
    if user_id is None:
        raise Refused(StaffCode.UNKNOWN_CHANGE)
    user = concerned(user_id, actor)
    change = StaffChange.objects.get(pk=change_id)
    if change.state != StaffChangeState.PROPOSED:
        raise Refused(StaffCode.ALREADY_DECIDED, state=change.state)
    return change, user


def _words(change: StaffChange) -> str:
    if change.kind == StaffChangeKind.ROLE:
        return f"Role {change.role}"
    return "Reset of the second factor"

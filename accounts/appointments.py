"""Making staff, who holds a role, and taking roles away.

Nobody does any of it to themselves. To give a role or to reset a second factor takes two people:
`accounts.staff_changes`. To take one is urgent and takes one. A role may be given until a time;
when that is over it gives no right, judged at each check of a right. Whoever is dismissed is signed
out at once. Administrators and auditors are told of each.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import sessions, staff_decisions
from accounts.models import Appointment, StaffChange, User, put_in_office
from accounts.notice_kinds import STAFF_NEWS
from accounts.players import new_user
from accounts.rights import check_right
from accounts.roles import OUTSIDE, Role
from audit.database_clock import database_now
from audit.record import Personal, Subject, record, register
from kernel.clock import SystemClock
from kernel.ids import Actor, ActorKind
from kernel.refusal import Refused
from notices.send import notify

#: Who makes staff, appoints and dismisses.
APPOINT: Final = "accounts.appoint_staff"

HIRED: Final = register("staff.hired", "Member of staff made")
DISMISSED: Final = register("staff.dismissed", "Role taken")
LEFT: Final = register("staff.left", "Member of staff left: account closed")

REASON_MAX: Final = 400
#: A role for a time is for a holiday or a project; longer is an appointment without an end.
TIME_MAX: Final = timedelta(days=366)


class StaffCode(StrEnum):
    """Why an act about staff is refused."""

    NO_REASON = "no_reason"
    NOT_YOURSELF = "not_yourself"
    UNKNOWN_PERSON = "unknown_person"
    ACCOUNT_CLOSED = "account_closed"
    ALREADY_HELD = "already_held"
    NOT_HELD = "not_held"
    NOT_IN_TIME = "not_in_time"
    NO_DEVICE = "no_device"
    NEEDS_END = "role_needs_an_end"
    ALONE = "role_is_held_alone"
    UNKNOWN_CHANGE = "unknown_change"
    ALREADY_PROPOSED = "staff_change_waits"
    ALREADY_DECIDED = "already_decided"
    SAME_PERSON = "same_person"
    NOT_YOURS = "not_yours"


def groups_in_force(user: User) -> QuerySet[Group]:
    """The role groups that give ``user`` rights at this moment: those of an appointment in force.

    A group without one gives nothing: the database guards appointments, and who writes a group
    past the acts here gains nothing by it.
    """
    held = in_force().filter(user_id=user.pk)
    return Group.objects.filter(user__pk=user.pk, name__in=held.values("role"))


def holders(role: Role, among: Collection[int] | None = None) -> set[int]:
    """Active staff who hold ``role`` at this moment, of ``among`` where given. One statement."""
    found = User.objects.filter(is_active=True, is_staff=True, groups__name=role.value)
    found = found.filter(pk__in=in_force().filter(role=role.value).values("user_id"))
    if among is not None:
        found = found.filter(pk__in=among)
    return set(found.values_list("pk", flat=True))


def in_force() -> QuerySet[Appointment]:
    """Appointments that nobody ended and whose time is not over."""
    lasts = Q(until__isnull=True) | Q(until__gt=SystemClock().now())
    return Appointment.objects.filter(lasts, ended_at__isnull=True)


def hire(*, email: str, name: str, actor: Actor) -> User:
    """A member of staff without a role, whose password nobody knows: they choose it by mailed code.

    Refuses with ``NOT_ALLOWED`` and ``EMAIL_TAKEN``.
    """
    check_right(actor, APPOINT)
    with transaction.atomic():
        user = new_user(email, secrets.token_urlsafe(32), is_staff=True)
        user.name = name.strip()[:150]
        user.save(update_fields=["name"])
        named = Personal(user.pk, {"email": user.email, "name": user.name})
        record(
            HIRED,
            actor=actor,
            subject=Subject("user", str(user.pk)),
            component="accounts",
            after={"staff": True},
            personal=named,
        )
        tell("Made a member of staff", user, actor)
    return user


def give(user: User, change: StaffChange) -> None:
    """Put an approved role in force, inside the transaction that approved it and the user's lock.

    Refuses with ``NOT_IN_TIME``, with ``ALREADY_HELD`` while the role is in force, and a role of
    people from outside with ``NEEDS_END`` and ``ALONE``.
    """
    role, by = Role(change.role), change.proposed_by
    held = refuse_unless_to_give(user, role, change.until)
    if held is not None:
        _end(held, by, "its time was over")
    put_in_office(user, role, by=by, reason=change.reason, until=change.until, change=change)


def refuse_unless_to_give(user: User, role: Role, until: datetime | None) -> Appointment | None:
    """The row of a role whose time is over, to be ended; refuses as :func:`give`."""
    now = database_now()
    if until is not None and not now < until <= now + TIME_MAX:
        raise Refused(StaffCode.NOT_IN_TIME)
    if role in OUTSIDE and until is None:
        raise Refused(StaffCode.NEEDS_END)
    held = Appointment.objects.filter(user=user, role=role.value, ended_at__isnull=True).first()
    if held is not None and (held.until is None or held.until > now):
        raise Refused(StaffCode.ALREADY_HELD)
    others = {Role(name) for name in roles_held(user)} - {role}
    if others and (role in OUTSIDE or others & OUTSIDE):
        raise Refused(StaffCode.ALONE)
    return held


def dismiss(user_id: int, role: Role, *, reason: str, actor: Actor) -> int:
    """Take ``role`` and end every session of the person at once; returns how many ended.

    Refuses with ``NOT_ALLOWED``, ``NO_REASON``, ``UNKNOWN_PERSON``, ``NOT_YOURSELF``, ``NOT_HELD``.
    """
    check_right(actor, APPOINT)
    reason = stated(reason)
    with transaction.atomic():
        user = concerned(user_id, actor)
        group = user.groups.filter(name=role.value).first()
        held = Appointment.objects.filter(user=user, role=role.value, ended_at__isnull=True).first()
        if group is None and held is None:
            raise Refused(StaffCode.NOT_HELD)
        if group is not None:
            user.groups.remove(group)
        if held is not None:
            _end(held, str(actor), reason)
        ended = sessions.end_all(user.pk)
        audit(
            DISMISSED,
            user.pk,
            actor,
            reason,
            before={"role": role.value},
            after={"sessions_ended": ended},
        )
        tell(f"The role {role.value} was taken", user, actor)
    return ended


def close(user_id: int, *, reason: str, actor: Actor) -> int:
    """The person leaves: no role, no session, no way in, and no proposal about them waits.

    Refuses as :func:`dismiss`.
    """
    check_right(actor, APPOINT)
    reason = stated(reason)
    with transaction.atomic():
        user = concerned(user_id, actor)
        before = roles_held(user)
        user.groups.clear()
        for held in Appointment.objects.filter(user=user, ended_at__isnull=True):
            _end(held, str(actor), reason)
        staff_decisions.end_all_about(user.pk, actor)
        user.is_active = False
        user.save(update_fields=["is_active"])
        ended = sessions.end_all(user.pk)
        audit(
            LEFT,
            user.pk,
            actor,
            reason,
            before={"roles": before},
            after={"sessions_ended": ended},
        )
        tell("The account was closed", user, actor)
    return ended


def concerned(user_id: int, actor: Actor) -> User:
    """The member of staff, under the row's lock, so that two acts about one person take turns."""
    user = User.objects.select_for_update().filter(pk=user_id, is_staff=True).first()
    if user is None:
        raise Refused(StaffCode.UNKNOWN_PERSON)
    if actor == Actor.staff(user.pk):
        raise Refused(StaffCode.NOT_YOURSELF)
    return user


def refuse_closed(user: User) -> None:
    """Whose account is closed is given nothing."""
    if not user.is_active:
        raise Refused(StaffCode.ACCOUNT_CLOSED)


def roles_held(user: User) -> list[str]:
    """The roles in force, for the record of what changes them."""
    return sorted(in_force().filter(user_id=user.pk).values_list("role", flat=True))


def tell(news: str, about: User, actor: Actor) -> None:
    """Administrators and auditors learn of ``news``, whoever did it and wherever they look.

    By number: who it is stands in the register, where it can be forgotten; in notices and mails of
    so many people it could not.
    """
    people = holders(Role.ADMINISTRATOR) | holders(Role.AUDITOR)
    by = f"staff member {actor.id}" if actor.kind is ActorKind.STAFF else str(actor)
    told: dict[str, str | int] = {"news": news, "person_id": about.pk, "by": by}
    for person_id in sorted(people):
        notify(person_id, STAFF_NEWS, told)


def _end(held: Appointment, by: str, reason: str) -> None:
    held.ended_at = database_now()  # the database writes its own moment over it
    held.ended_by = by
    held.end_reason = reason
    held.save(update_fields=["ended_at", "ended_by", "end_reason"])


def stated(reason: str) -> str:
    reason = reason.strip()[:REASON_MAX]
    if not reason:
        raise Refused(StaffCode.NO_REASON)
    return reason


def audit(
    kind: str,
    user_id: int,
    actor: Actor,
    reason: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("user", str(user_id)),
        component="accounts",
        before=before,
        after=after,
        reason=reason,
    )

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
from django.db.models import QuerySet

from accounts import sessions
from accounts.models import Appointment, User
from accounts.notice_kinds import STAFF_NEWS
from accounts.players import new_user
from accounts.rights import check_right
from accounts.roles import Role
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
    ALREADY_HELD = "already_held"
    NOT_HELD = "not_held"
    NOT_IN_TIME = "not_in_time"
    NO_DEVICE = "no_device"
    UNKNOWN_CHANGE = "unknown_change"
    ALREADY_PROPOSED = "staff_change_waits"
    ALREADY_DECIDED = "already_decided"
    SAME_PERSON = "same_person"
    NOT_YOURS = "not_yours"


def groups_in_force(user: User) -> QuerySet[Group]:
    """The role groups that give ``user`` rights at this moment."""
    over = _over().filter(user_id=user.pk)
    return Group.objects.filter(user__pk=user.pk).exclude(name__in=over.values("role"))


def holders(role: Role, among: Collection[int] | None = None) -> set[int]:
    """Active staff who hold ``role`` at this moment, of ``among`` where given. One statement."""
    found = User.objects.filter(is_active=True, is_staff=True, groups__name=role.value)
    found = found.exclude(pk__in=_over().filter(role=role.value).values("user_id"))
    if among is not None:
        found = found.filter(pk__in=among)
    return set(found.values_list("pk", flat=True))


def _over() -> QuerySet[Appointment]:
    """Appointments whose time is over though nobody ended them."""
    return Appointment.objects.filter(ended_at__isnull=True, until__lte=SystemClock().now())


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
        tell(f"{user.get_full_name()} was made a member of staff", actor)
    return user


def give(user: User, role: Role, *, until: datetime | None, reason: str, by: str) -> None:
    """Put ``role`` in force: for an approved change alone, inside its transaction and user lock.

    Refuses with ``NOT_IN_TIME``, and with ``ALREADY_HELD`` while the role is in force.
    """
    held = refuse_unless_to_give(user, role, until)
    if held is not None:
        _end(held, database_now(), by, "its time was over")
    Appointment.objects.create(
        user=user, role=role.value, reason=reason, appointed_by=by, until=until
    )
    user.groups.add(Group.objects.get(name=role.value))


def refuse_unless_to_give(user: User, role: Role, until: datetime | None) -> Appointment | None:
    """The row of a role whose time is over, to be ended; refuses as :func:`give`."""
    now = database_now()
    if until is not None and not now < until <= now + TIME_MAX:
        raise Refused(StaffCode.NOT_IN_TIME)
    held = Appointment.objects.filter(user=user, role=role.value, ended_at__isnull=True).first()
    if held is not None and (held.until is None or held.until > now):
        raise Refused(StaffCode.ALREADY_HELD)
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
        if group is None:
            raise Refused(StaffCode.NOT_HELD)
        user.groups.remove(group)
        now = database_now()
        for held in Appointment.objects.filter(user=user, role=role.value, ended_at__isnull=True):
            _end(held, now, str(actor), reason)
        ended = sessions.end_all(user.pk)
        audit(
            DISMISSED,
            user.pk,
            actor,
            reason,
            before={"role": role.value},
            after={"sessions_ended": ended},
        )
        tell(f"The role {role.value} was taken from {user.get_full_name()}", actor)
    return ended


def close(user_id: int, *, reason: str, actor: Actor) -> int:
    """The person leaves: no role, no session, no way in. Refuses as :func:`dismiss`."""
    check_right(actor, APPOINT)
    reason = stated(reason)
    with transaction.atomic():
        user = concerned(user_id, actor)
        now = database_now()
        before = sorted(user.groups.values_list("name", flat=True))
        user.groups.clear()
        for held in Appointment.objects.filter(user=user, ended_at__isnull=True):
            _end(held, now, str(actor), reason)
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
        tell(f"The account of {user.get_full_name()} was closed", actor)
    return ended


def concerned(user_id: int, actor: Actor) -> User:
    """The member of staff, under the row's lock, so that two acts about one person take turns."""
    user = User.objects.select_for_update().filter(pk=user_id, is_staff=True).first()
    if user is None:
        raise Refused(StaffCode.UNKNOWN_PERSON)
    if actor == Actor.staff(user.pk):
        raise Refused(StaffCode.NOT_YOURSELF)
    return user


def tell(news: str, actor: Actor) -> None:
    """Administrators and auditors learn of ``news``, whoever did it and wherever they look."""
    people = holders(Role.ADMINISTRATOR) | holders(Role.AUDITOR)
    by = User.objects.filter(pk=actor.id).first() if actor.kind is ActorKind.STAFF else None
    told = {"news": news, "by": str(actor) if by is None else by.get_full_name()}
    for person_id in sorted(people):
        notify(person_id, STAFF_NEWS, told)


def _end(held: Appointment, now: datetime, by: str, reason: str) -> None:
    held.ended_at = now
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

"""The register of staff in the admin: who holds which role, and what administrators do about it.

A role and a reset of a second factor are proposed by one and approved by another.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import EmailField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import appointments, second_factor, staff, staff_changes
from accounts.appointments import APPOINT, StaffCode
from accounts.models import Appointment, StaffChange, StaffChangeState, User, normal_email
from accounts.roles import Role
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from kernel.ids import Actor
from kernel.refusal import Refused

SEE: Final = "accounts.view_appointment"
SHOWN: Final = 200
ADDRESS_MAX: Final = 254


@require_safe
@staff_required(SEE)
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    """Everybody of the house, with the roles in force."""
    now = database_now()
    people = User.objects.filter(is_staff=True).prefetch_related("groups", "appointments")
    facts = {
        "people": [_person(one, now) for one in people.order_by("email")[:SHOWN]],
        "may_appoint": request.user.has_perm(APPOINT),
        "changes": _changes(request, StaffChange.objects.filter(state=StaffChangeState.PROPOSED)),
    }
    return desk.page(request, "admin/desk/staff.html", "Staff", facts)


@require_safe
@staff_required(SEE)
@never_cache
def member(request: HttpRequest, user_id: int) -> HttpResponse:
    """One member of staff: roles now and before, and what can be done."""
    user = User.objects.filter(pk=user_id, is_staff=True).first()
    if user is None:
        raise Http404
    held = list(Appointment.objects.filter(user=user).order_by("-since")[:SHOWN])
    names = desk.named(by for one in held for by in (one.appointed_by, one.ended_by))
    roles = staff.roles_of(user_id)
    facts: dict[str, Any] = {
        "member": user,
        "roles": sorted(roles),
        "held": [
            {"one": one, "by": names[one.appointed_by], "ended_by": names[one.ended_by]}
            for one in held
        ],
        "to_give": [role.value for role in Role if role not in roles],
        "changes": _changes(request, StaffChange.objects.filter(user=user)),
        "has_second_factor": second_factor.has_device(user),
        "may_appoint": request.user.has_perm(APPOINT)
        and staff_actor(request) != Actor.staff(user_id),
        "is_self": staff_actor(request) == Actor.staff(user_id),
    }
    return desk.page(request, "admin/desk/member.html", user.get_full_name(), facts)


@require_POST
@staff_required(APPOINT)
def hire(request: HttpRequest) -> HttpResponse:
    """A new member of staff; they choose their password by a mailed code."""
    try:
        user = appointments.hire(
            email=_address(request.POST.get("email", "")),
            name=request.POST.get("name", ""),
            actor=staff_actor(request),
        )
    except ValidationError:
        messages.error(request, "That is not an e-mail address.")
    except Refused as refused:
        messages.error(request, desk.refusal(refused))
    else:
        messages.success(
            request, "Made. They choose a password under “New password” of the staff sign-in."
        )
        return redirect("desk:member", user.pk)
    return redirect("desk:staff")


@require_POST
@staff_required(APPOINT)
def appoint(request: HttpRequest, user_id: int) -> HttpResponse:
    """Propose to give a role, perhaps until a day."""
    role = _role(request)
    try:
        until = _until(request.POST.get("until", ""))
    except ValueError:
        messages.error(request, "That is not a day.")
        return redirect("desk:member", user_id)
    return _act(
        request,
        user_id,
        lambda actor, reason: staff_changes.propose_role(
            user_id, role, reason=reason, actor=actor, until=until
        ),
        "Given: nobody else could approve, and that is recorded.",
    )


@require_POST
@staff_required(APPOINT)
def dismiss(request: HttpRequest, user_id: int) -> HttpResponse:
    """Take a role; the person is signed out."""
    role = _role(request)
    return _act(
        request,
        user_id,
        lambda actor, reason: appointments.dismiss(user_id, role, reason=reason, actor=actor),
        "Taken; they are signed out.",
    )


@require_POST
@staff_required(APPOINT)
def close(request: HttpRequest, user_id: int) -> HttpResponse:
    """The person leaves."""
    return _act(
        request,
        user_id,
        lambda actor, reason: appointments.close(user_id, reason=reason, actor=actor),
        "Closed: no role, no session, no way in.",
    )


@require_POST
@staff_required(APPOINT)
def reset_factor(request: HttpRequest, user_id: int) -> HttpResponse:
    """Propose to remove a lost second factor: told by mail, enrolled anew at the next sign-in."""
    return _act(
        request,
        user_id,
        lambda actor, reason: staff_changes.propose_reset(user_id, reason=reason, actor=actor),
        "Reset: nobody else could approve, and that is recorded. They are signed out and told.",
    )


@require_POST
@staff_required(APPOINT)
def approve(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Approve what another administrator proposed."""
    actor = staff_actor(request)
    return _decide(request, lambda: staff_changes.approve(change_id, actor=actor), "In force.")


@require_POST
@staff_required(APPOINT)
def reject(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Say no to it, and why."""
    actor, why = staff_actor(request), request.POST.get("decision", "")
    return _decide(
        request,
        lambda: staff_changes.reject(change_id, decision=why, actor=actor),
        "Rejected; nothing was changed.",
    )


@require_POST
@staff_required(APPOINT)
def withdraw(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Take one's own proposal back."""
    actor = staff_actor(request)
    return _decide(request, lambda: staff_changes.withdraw(change_id, actor=actor), "Withdrawn.")


def _decide(request: HttpRequest, act: Callable[[], StaffChange], done: str) -> HttpResponse:
    try:
        act()
    except Refused as refused:
        if refused.code == StaffCode.UNKNOWN_CHANGE:
            raise Http404 from None
        messages.error(request, desk.refusal(refused))
    else:
        messages.success(request, done)
    return redirect("desk:staff")


def _act(
    request: HttpRequest, user_id: int, act: Callable[[Actor, str], object], done: str
) -> HttpResponse:
    try:
        made = act(staff_actor(request), request.POST.get("reason", ""))
    except Refused as refused:
        if refused.code == StaffCode.UNKNOWN_PERSON:
            raise Http404 from None
        messages.error(request, desk.refusal(refused))
    else:
        waits = isinstance(made, StaffChange) and not made.is_alone
        messages.success(request, "Proposed. Another administrator approves it." if waits else done)
    return redirect("desk:member", user_id)


def _changes(request: HttpRequest, found: QuerySet[StaffChange]) -> list[dict[str, Any]]:
    """Proposals with what this reader may do about each."""
    rows, me = list(found.select_related("user")[:SHOWN]), staff_actor(request)
    names = desk.named(by for one in rows for by in (one.proposed_by, one.decided_by))
    may = request.user.has_perm(APPOINT)
    return [
        {
            "one": one,
            "by": names[one.proposed_by],
            "decided_by": names[one.decided_by],
            "is_own": one.proposed_by == str(me),
            "may_decide": may
            and one.state == StaffChangeState.PROPOSED
            and me != Actor.staff(one.user_id),
        }
        for one in rows
    ]


def _address(text: str) -> str:
    """An address as it is kept, which may be longer than it was typed; else ``ValidationError``."""
    address: str = EmailField(max_length=ADDRESS_MAX).clean(normal_email(text))
    return address


def _role(request: HttpRequest) -> Role:
    try:
        return Role(request.POST.get("role", ""))
    except ValueError:
        raise Http404 from None


def _until(text: str) -> datetime | None:
    """The end of a day in UTC; None for no text. ``ValueError`` for what is no day."""
    if not text.strip():
        return None
    return datetime.fromisoformat(f"{text.strip()[:10]}T23:59:59").replace(tzinfo=UTC)


def _person(user: User, now: datetime) -> dict[str, Any]:
    groups = {group.name for group in user.groups.all()}
    roles = [
        {"name": held.role, "until": held.until}
        for held in user.appointments.all()
        if held.ended_at is None and held.role in groups
        if held.until is None or held.until > now
    ]
    return {"user": user, "roles": sorted(roles, key=lambda one: one["name"])}

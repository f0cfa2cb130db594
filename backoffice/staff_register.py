"""The register of staff in the admin: who holds which role, and what administrators do about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import appointments, second_factor, staff
from accounts.models import Appointment, User
from accounts.roles import Role
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from kernel.ids import Actor
from kernel.refusal import Refused

SEE: Final = "accounts.view_appointment"
APPOINT: Final = "accounts.appoint_staff"
SHOWN: Final = 200


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
    email = request.POST.get("email", "").strip()
    try:
        validate_email(email)
        user = appointments.hire(
            email=email, name=request.POST.get("name", ""), actor=staff_actor(request)
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
    """Give a role, perhaps until a day."""
    role = _role(request)
    try:
        until = _until(request.POST.get("until", ""))
    except ValueError:
        messages.error(request, "That is not a day.")
        return redirect("desk:member", user_id)
    return _act(
        request,
        user_id,
        lambda actor, reason: appointments.appoint(
            user_id, role, reason=reason, actor=actor, until=until
        ),
        "Given.",
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
    """A lost second factor: removed, told by mail, enrolled anew at the next sign-in."""
    return _act(
        request,
        user_id,
        lambda actor, reason: appointments.reset_second_factor(user_id, reason=reason, actor=actor),
        "Reset; they are signed out and told by mail.",
    )


def _act(
    request: HttpRequest, user_id: int, act: Callable[[Actor, str], object], done: str
) -> HttpResponse:
    try:
        act(staff_actor(request), request.POST.get("reason", ""))
    except Refused as refused:
        if refused.code == appointments.StaffCode.UNKNOWN_PERSON:
            raise Http404 from None
        messages.error(request, desk.refusal(refused))
    else:
        messages.success(request, done)
    return redirect("desk:member", user_id)


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
    ends = {one.role: one.until for one in user.appointments.all() if one.ended_at is None}
    roles = [
        {"name": group.name, "until": ends.get(group.name)}
        for group in user.groups.all()
        if (until := ends.get(group.name)) is None or until > now
    ]
    return {"user": user, "roles": sorted(roles, key=lambda one: one["name"])}

"""The door of every staff page outside the admin: console, floor, support desk.

Nobody passes without being staff, a second factor shown in this session, and the right that the
page names. A page is a screen; the act behind it checks its own rules again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import urlencode

from accounts import second_factor
from accounts.views import person
from kernel.ids import Actor

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
View = Callable[Concatenate[HttpRequest, P], R]


def staff_required(permission: str) -> Callable[[View[P, R]], View[P, R | HttpResponse]]:
    """Let in staff who hold ``permission`` (``app.codename``) and showed a second factor.

    Visitors are led to sign in, staff without a second factor to enrol or show it; anybody else
    gets 403.
    """

    def guard(view: View[P, R]) -> View[P, R | HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
            way_in = _way_in(request)
            if way_in is not None:
                return way_in
            if not request.user.has_perm(permission):
                raise PermissionDenied(permission)
            return view(request, *args, **kwargs)

        return wrapped

    return guard


def staff_actor(request: HttpRequest) -> Actor:
    """Who acts, for the audit; behind `staff_required`."""
    return Actor.staff(cast(int, request.user.pk))


def _way_in(request: HttpRequest) -> HttpResponse | None:
    """Where the person must go first; None for staff with the second factor shown."""
    if not request.user.is_authenticated:
        query = urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})
        answer: HttpResponse = redirect("account_login")
        answer["Location"] += f"?{query}"
        return answer
    user = person(request)
    if not (user.is_staff and user.is_active):
        raise PermissionDenied
    if getattr(request.user, "otp_device", None) is not None:
        return None
    enrolled = second_factor.has_device(user)
    answer = redirect(f"accounts:second_factor_{'check' if enrolled else 'enrol'}")
    answer["Location"] += f"?{urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})}"
    return answer

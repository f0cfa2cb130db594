"""Step-up: acts that ask for the password again unless it was given moments ago."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponse

from kernel.clock import SystemClock

P = ParamSpec("P")

#: Five minutes, as for payouts, payout instruments, e-mail, limits and second factor alike.
FRESH_S: Final = 300


def recently_authenticated(request: HttpRequest) -> bool:
    """Whether the person proved who they are, at sign-in or since, within ``FRESH_S`` seconds."""
    records = get_authentication_records(request, request.user)
    if not records:
        return False
    return bool(SystemClock().now().timestamp() - records[-1]["at"] < FRESH_S)


def step_up_required(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Send the person to confirm the password first, and back afterwards."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not recently_authenticated(request):
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return wrapped

"""Two doors, one house: players and staff each have addresses, cookies and sessions of their own.

Which door a request came through is decided by its path (and, where `STAFF_HOST` is set, by its
host) before anything else looks at it. At the staff door the staff's cookies stand in for the
player's, in both directions, so a session of the one kind is not even read at the other door; and
whoever belongs to the other door is nobody here, whatever cookie they bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.middleware import get_user as session_user
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts import sessions
from audit.record import Subject, record
from kernel.clock import SystemClock
from kernel.ids import Actor

Next = Callable[[HttpRequest], HttpResponseBase]

_MARK: Final = "_faro_staff_door"
_SINCE, _SEEN = "staff_since_s", "staff_seen_s"
#: The note of use is written at most so often, to spare a write per request.
SEEN_EVERY_S: Final = 30
#: A page that asks by itself says so in this header, and does not count as somebody working.
AUTOMATIC: Final = "HTTP_FARO_AUTOMATIC"
#: What a staff host answers beside the staff pages: what its proxy asks.
_PROBES: Final = ("/healthz", "/readyz", "/metrics")


def is_staff_door(request: HttpRequest) -> bool:
    """Whether the request came through the staff door."""
    return bool(getattr(request, _MARK, False))


def staff_sign_in_address() -> str:
    """Where staff sign in, as a link from the players' side."""
    path = reverse("account_login", urlconf=settings.STAFF_URLCONF)
    return f"https://{settings.STAFF_HOST}{path}" if settings.STAFF_HOST else path


class TwoDoors:
    """Before the session's middleware: marks the door; each has its own addresses and cookies.

    With `STAFF_HOST` set, staff pages answer 404 on every other host, and that host has no others.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_staff = _is_staff_path(request.path_info)
        if settings.STAFF_HOST:
            on_staff_host = request.get_host() == settings.STAFF_HOST
            if on_staff_host and request.path_info == "/":
                return HttpResponseRedirect(reverse("admin:index", urlconf=settings.STAFF_URLCONF))
            if is_staff != on_staff_host and request.path_info not in _PROBES:
                raise Http404
        if not is_staff:
            for _theirs, ours in _cookie_names():
                request.COOKIES.pop(ours, None)
            return self.get_response(request)
        setattr(request, _MARK, True)
        request.urlconf = settings.STAFF_URLCONF  # Django resolves by it
        request.META["HTTP_ACCEPT_LANGUAGE"] = settings.LANGUAGE_CODE  # staff pages are English
        request.COOKIES.pop(settings.LANGUAGE_COOKIE_NAME, None)
        for theirs, ours in _cookie_names():
            request.COOKIES.pop(theirs, None)
            if ours in request.COOKIES:
                request.COOKIES[theirs] = request.COOKIES.pop(ours)
        response = self.get_response(request)
        _rename_cookies(response)
        return response


class StaffSessions:
    """After the session's middleware: a staff session ends when nobody works, and after a shift.

    A session that was not begun at the staff door is none here.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_staff_door(request) and SESSION_KEY in request.session:
            _end_or_keep(request)
        return self.get_response(request)


class AuthenticationAtOwnDoor(AuthenticationMiddleware):
    """`request.user` is staff at the staff door and a player at the players': else nobody."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = cast(Any, SimpleLazyObject(lambda: _person_of_this_door(request)))


def begin_staff_session(request: HttpRequest) -> None:
    """Start the clocks of a session that staff have just signed in to."""
    now_s = _now_s()
    request.session[_SINCE] = request.session[_SEEN] = now_s


def _person_of_this_door(request: HttpRequest) -> Any:
    user = session_user(request)
    if user.is_authenticated and user.is_staff != is_staff_door(request):
        return AnonymousUser()
    return user


def _end_or_keep(request: HttpRequest) -> None:
    session, now_s = request.session, _now_s()
    since, seen = int(session.get(_SINCE, 0)), int(session.get(_SEEN, 0))
    if now_s - since > settings.STAFF_SESSION_S:
        why = "the session was as old as a staff session may be"
    elif now_s - seen > settings.STAFF_IDLE_S:
        why = "nobody worked in the session"
    else:
        if now_s - seen >= SEEN_EVERY_S and AUTOMATIC not in request.META:
            session[_SEEN] = now_s
        return
    user_id = int(session[SESSION_KEY])
    if session.session_key and sessions.end_by_key(user_id, session.session_key):
        record(
            "accounts.session_ended",
            actor=Actor.system("accounts"),
            subject=Subject("user", str(user_id)),
            component="accounts",
            reason=why,
            after={"sessions_ended": 1},
        )
    session.flush()


def _is_staff_path(path: str) -> bool:
    return f"{path}/".startswith(settings.STAFF_PATHS)


def _cookie_names() -> Iterator[tuple[str, str]]:
    """Each cookie's name as Django knows it, and the name it has at the staff door."""
    yield settings.SESSION_COOKIE_NAME, settings.STAFF_SESSION_COOKIE_NAME
    yield settings.CSRF_COOKIE_NAME, settings.STAFF_CSRF_COOKIE_NAME
    yield "messages", settings.STAFF_MESSAGES_COOKIE_NAME


def _rename_cookies(response: HttpResponseBase) -> None:
    """Cookies set at the staff door carry its names, and no other site's link brings them along."""
    for theirs, ours in _cookie_names():
        morsel = response.cookies.pop(theirs, None)
        if morsel is not None:
            morsel.set(ours, morsel.value, morsel.coded_value)
            morsel["samesite"] = "Strict"
            dict.__setitem__(response.cookies, ours, morsel)


def _now_s() -> int:
    return int(SystemClock().now().timestamp())

"""People from outside the house, such as a regulator's inspector, read and do nothing else.

Their role holds no right to change anything. This is the second wall, before any page: whatever
they send but a question is refused here, so a form that some page forgets to guard does nothing for
them. What they do open leaves a trace: each page that answered, by its address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.doors import AUTOMATIC, is_staff_door
from audit.record import Subject, record, register
from kernel.ids import Actor

OPENED: Final = register("outsider.page_opened", "Inspector opened a page")
SENT: Final = register("outsider.refused", "Inspector's act refused: may only read")

#: A right that takes rights away: whoever holds it is from outside. Asked for as one, it costs a
#: request nothing beyond the rights that it asks for anyway.
FROM_OUTSIDE: Final = "accounts.from_outside"
ASKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: One's own password, second factor and sessions; and the way out.
OWN: Final = ("/staff/account/", "/admin/logout/")
_MARK: Final = "faro_changes_nothing"
_ASKS_BY_ITSELF: Final = "faro_asks_by_itself"
PATH_MAX: Final = 200

View = Callable[..., Any]


def changes_nothing(view: View) -> View:
    """Mark a page whose form asks for something and changes nothing but the record."""
    setattr(view, _MARK, True)
    return view


def asks_by_itself(view: View) -> View:
    """Mark what an open page asks for every second: it shows no more than the page, whose opening
    is in the record. Asked for so (`doors.AUTOMATIC`), it leaves no trace; any other page does.
    """
    setattr(view, _ASKS_BY_ITSELF, True)
    return view


class OutsidersOnlyRead:
    """Behind the door's person: refuses what is more than a question, and records what was read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_page = request.method == "GET" and response.status_code == 200
        if is_page and _is_watched(request) and not _is_of_an_open_page(request):
            _note(OPENED, request)
        return response

    def process_view(
        self, request: HttpRequest, view: View, _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """403 before the page is reached, whatever it would have said; recorded."""
        if request.method in ASKS or getattr(view, _MARK, False) or not _is_watched(request):
            return None
        _note(SENT, request)
        raise PermissionDenied("people from outside only read")


def _is_watched(request: HttpRequest) -> bool:
    """Whether somebody from outside asks for anything but their own account."""
    if not is_staff_door(request) or request.path_info.startswith(OWN):
        return False
    return request.user.is_authenticated and request.user.has_perm(FROM_OUTSIDE)


def _is_of_an_open_page(request: HttpRequest) -> bool:
    """Anybody can send the header: it is believed of the few views that are marked."""
    view = None if request.resolver_match is None else request.resolver_match.func
    return AUTOMATIC in request.META and getattr(view, _ASKS_BY_ITSELF, False)


def _note(kind: str, request: HttpRequest) -> None:
    """By the address without its query, which may hold a name that was searched for."""
    record(
        kind,
        actor=Actor.staff(int(request.user.pk or 0)),
        subject=Subject("page", request.path_info[:PATH_MAX]),
        component="accounts",
        after={"method": str(request.method)},
    )

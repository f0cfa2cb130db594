"""Middleware: a request with a NUL in its path, query or form is nobody's honest mistake: 400.

PostgreSQL keeps no NUL in a text, so each such value would fail wherever it reaches a statement.
Refused once, here, at both doors, instead of in every form.
"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase, QueryDict

from casino import error_pages

NUL = "\x00"


class CleanRequests:
    """After whatever the error page needs, before whatever reads values."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if NUL in request.path_info or _has_nul(request.GET) or _has_nul(request.POST):
            return error_pages.bad_request(request, BadRequest("NUL"))
        return self.get_response(request)


def _has_nul(fields: QueryDict) -> bool:
    return any(
        NUL in name or any(NUL in value for value in values) for name, values in fields.lists()
    )

"""Middleware: a request with a NUL in its path, query or form is nobody's honest mistake: 400.

PostgreSQL keeps no NUL in a text, so each such value would fail wherever it reaches a statement.
Refused once, here, at both doors, instead of in every form. A view that no cookie authenticates
(`csrf_exempt`) reads the raw bytes itself and judges them: here nothing of them is read, or there
would be nothing left and no bound on how much was read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase, QueryDict, UnreadablePostError

from casino import error_pages

NUL = "\x00"


class CleanRequests:
    """After whatever the error page needs, before whatever reads values."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if NUL in request.path_info or _has_nul(request.GET):
            return error_pages.bad_request(request, BadRequest("NUL"))
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """Look into the form, now that it is known who reads it."""
        if getattr(view, "csrf_exempt", False):
            return None
        try:
            has_nul = _has_nul(request.POST)
        except UnreadablePostError as gone:
            return self.process_exception(request, gone)
        return error_pages.bad_request(request, BadRequest("NUL")) if has_nul else None

    def process_exception(
        self, request: HttpRequest, failure: Exception
    ) -> HttpResponseBase | None:
        """Whoever hung up in the middle of a form is no failure of ours."""
        if isinstance(failure, UnreadablePostError):
            return error_pages.bad_request(request, BadRequest("cut off"))
        return None


def _has_nul(fields: QueryDict) -> bool:
    return any(
        NUL in name or any(NUL in value for value in values) for name, values in fields.lists()
    )

"""Pages for what went wrong: readable for a person, JSON under /api/, never a stack trace."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

API_PREFIX = "/api/"
#: What an API client gets instead of a page.
CODES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    422: "card_number",
    500: "internal_error",
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400"""
    return _answer(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403"""
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404"""
    return _answer(request, 404)


def card_number(request: HttpRequest) -> HttpResponse:
    """A form with what looks like the number of a payment card; nothing of it is shown again."""
    return _answer(request, 422, page="card_number")


def internal_error(request: HttpRequest) -> HttpResponse:
    """handler500: the reference on the page is the request id of the log lines."""
    return _answer(request, 500)


def expired_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token: usually a page left open too long, sometimes an attack."""
    structlog.get_logger(__name__).warning("form_refused", reason=reason)
    return _answer(request, 403, expired_form=True)


def _answer(request: HttpRequest, status: int, page: str = "", **words: object) -> HttpResponse:
    reference = structlog.contextvars.get_contextvars().get("request_id", "")
    if request.path_info.startswith(API_PREFIX):
        return JsonResponse({"code": CODES[status], "reference": reference}, status=status)
    context = {"reference": reference, **words}
    return render(request, f"errors/{page or status}.html", context, status=status)

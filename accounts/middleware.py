"""What accounts add to every response: the 429 page, and the cookie of a known browser."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from accounts import known_browser
from accounts.rate_limits import TooMany


class AccountsMiddleware:
    """After the session's middleware: turns ``TooMany`` into 429, writes noted cookies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        known_browser.write_cookie(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooMany):
            return None
        facts = {"retry_after_s": exception.retry_after_s}
        response = render(request, "errors/429.html", facts, status=429)
        response["Retry-After"] = str(exception.retry_after_s)
        return response

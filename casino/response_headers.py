"""Middleware: what happens to every answer on its way out, errors and static files included."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseFileResponse

#: Where the looser policy for the staff pages holds: Unfold needs `unsafe-eval` and inline styles.
STAFF_PREFIX = "/admin/"


class ContentPolicy(CSPMiddleware):
    """The strict content security policy everywhere but under the staff pages."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002  (django-csp's signature)
    ) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(STAFF_PREFIX) and not report_only:
            parts.config = settings.STAFF_POLICY
        return parts


#: Types that get smaller; pictures, fonts and video are compressed already.
_TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml")


class _Files(GZipMiddleware):
    """Files of ours hold no secret that a length could tell, so they are not padded."""

    max_random_bytes = 0


class Compression(GZipMiddleware):
    """Texts go compressed where the browser takes it.

    Secrets in pages are safe from guessing by length: CSRF tokens are masked anew in every page,
    and Django pads each compressed answer by a random length (its answer to BREACH): some 50 bytes,
    a kilobyte over the modules of a table's page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._files = _Files(get_response)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_text = response.headers.get("Content-Type", "").startswith(_TEXTS)
        if not is_text or response.status_code == HTTPStatus.PARTIAL_CONTENT:
            return response
        if isinstance(response, WhiteNoiseFileResponse):
            return self._files.process_response(request, _whole(response))
        return super().process_response(request, cast(HttpResponse, response))


def _whole(file: FileResponse) -> HttpResponse:
    """A static file of ours in one piece: it is small, and a length is worth more than a stream."""
    whole = HttpResponse(b"".join(file), status=file.status_code)
    for name, value in file.headers.items():
        whole.headers[name] = value
    file.close()
    return whole


class ResponseHeaders:
    """Caching and isolation. Whoever knows better sets the header first."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Pages depend on who asks, and `no-store` keeps account data out of the back button of a
        # shared computer. Static files come with a lifetime of their own.
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

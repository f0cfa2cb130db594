"""Middleware: the documents' own host answers signed addresses of documents, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponseBase

from compliance.kyc import opening

PREFIX: Final = "/documents/"
#: What a proxy asks before it sends anybody here.
PROBES: Final = ("/healthz", "/readyz")


class DocumentHost:
    """Before any cookie is read, so that none counts there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if opening.is_document_host(request):
            request.COOKIES.clear()
            if not request.path_info.startswith(PREFIX) and request.path_info not in PROBES:
                return opening.not_here()
        return self.get_response(request)

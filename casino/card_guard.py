"""Middleware: a number of a card in a form or a query is refused, kept nowhere, and never shown.

Cards are typed on the payment provider's page and nowhere here (PCI DSS, SAQ A). One place for all
forms, of players and staff, so that no field can be forgotten. Views that no cookie authenticates
read their bytes themselves and are looked at where they do (`compliance.kyc.forms`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponseBase, QueryDict, UnreadablePostError

from audit.card_numbers import has_card
from casino import error_pages

log = structlog.get_logger(__name__)

#: Kept as hashes only; a pass phrase may be digits.
_HASHED = "password"


class NoCardNumbers:
    """After whatever the error page needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if has_card(request.path_info) or _names(request.GET):
            return _refuse(request, "address")
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """Look into the form, now that it is known who reads it."""
        if getattr(view, "csrf_exempt", False):
            return None
        try:
            named = _names(request.POST)
        except UnreadablePostError:
            return None  # whoever hung up is answered by `CleanRequests`
        return _refuse(request, named) if named else None


def _names(fields: QueryDict) -> str:
    """The first field that holds a card's number, empty where none does."""
    for name, values in fields.lists():
        if _HASHED not in name and any(map(has_card, [name, *values])):
            return "a name" if has_card(name) else name[:40]
    return ""


def _refuse(request: HttpRequest, field: str) -> HttpResponseBase:
    log.warning("card_number_refused", field=field)
    return error_pages.card_number(request)

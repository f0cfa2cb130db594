"""What a log line may carry: ids yes, secrets and people never."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from audit.card_numbers import hidden
from studio.protocol.report import PATH as REPORT_PATH

#: Part of a key's name → its value is not for logs. People appear as ids only.
SECRET_WORDS = (
    "password", "secret", "token", "authorization", "cookie", "csrf", "otp", "email", "e_mail",
    "card", "iban",
)  # fmt: skip
HIDDEN = "[hidden]"
#: How deep a line's values are looked into; what lies deeper is written as one text.
DEPTH_MAX: Final = 4

#: Asked twice a second by each table's controller, for ever: only what goes wrong is news.
QUIET_REQUESTS: Final = frozenset({f"POST {REPORT_PATH}", "GET /healthz", "GET /readyz"})

Event = MutableMapping[str, Any]


def hide_secrets(_logger: object, _method: str, event: Event) -> Event:
    """structlog processor: blanks texts under telling names, one level deep.

    Numbers stay: a lease's fencing token is no secret.
    """
    for key, value in event.items():
        telling = any(word in str(key).lower() for word in SECRET_WORDS)
        if telling and key != "event" and not isinstance(value, int):
            event[key] = HIDDEN
    return event


def hide_card_numbers(_logger: object, _method: str, event: Event) -> Event:
    """structlog processor: no number of a card, wherever in the line; last, after tracebacks."""
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own notes are no part of the line
            event[key] = _without_cards(value, DEPTH_MAX)
    return event


def _without_cards(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, dict) and depth:
        return {name: _without_cards(one, depth - 1) for name, one in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [_without_cards(one, depth - 1) for one in value]
    return value if value is None or isinstance(value, int) else hidden(repr(value))


def cut_query(_logger: object, _method: str, event: Event) -> Event:
    """structlog processor: a logged request keeps its path; links in mails carry keys after "?"."""
    request = event.get("request")
    if isinstance(request, str):
        event["request"] = request.partition("?")[0]
    return event


def drop_routine(_logger: object, _method: str, event: Event) -> Event:
    """structlog processor: no line for a request that machines repeat, when it was answered 200.

    Last in the chain, after `cut_query`.
    """
    routine = event.get("request") in QUIET_REQUESTS and event.get("code") == 200
    if routine and event.get("event") == "request_finished":
        raise structlog.DropEvent
    return event

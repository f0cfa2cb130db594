"""What a log line may carry: ids yes, secrets and people never."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

#: Part of a key's name → its value is not for logs. People appear as ids only.
SECRET_WORDS = (
    "password", "secret", "token", "authorization", "cookie", "csrf", "otp", "email", "e_mail",
    "card", "iban",
)  # fmt: skip
HIDDEN = "[hidden]"

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


def cut_query(_logger: object, _method: str, event: Event) -> Event:
    """structlog processor: a logged request keeps its path; links in mails carry keys after "?"."""
    request = event.get("request")
    if isinstance(request, str):
        event["request"] = request.partition("?")[0]
    return event

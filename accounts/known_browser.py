"""Browsers in which a person has signed in before, or has proved to read the person's mail.

Such a browser carries a signed cookie with a random number per address. Its failures and its tries
are counted apart from everybody else's, so a stranger who fails on purpose holds up only those who
have no such cookie, and the owner gets one by a mailed code. The cookie signs nobody in and tells
nothing about the device.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac

from accounts.models import normal_email

_SALT: Final = "accounts.known_browser"
AGE_MAX_S: Final = 180 * 24 * 3600
#: People who share a browser; the one who signed in longest ago is forgotten first.
PEOPLE_MAX: Final = 8
_PENDING: Final = "_faro_known_browser"


def address_key(email: str) -> str:
    """A keyed hash that stands for an address where the address itself has no business."""
    return salted_hmac(_SALT, normal_email(email), algorithm="sha256").hexdigest()[:32]


def attempt_key(request: HttpRequest, email: str) -> str:
    """Whose tries these count as: this known browser's for this address, or all strangers'."""
    number = _read(request).get(address_key(email))
    return f"browser:{number}" if number else f"address:{address_key(email)}"


def is_known(request: HttpRequest, email: str) -> bool:
    """Whether this browser has proved before that it belongs to the reader of ``email``."""
    return address_key(email) in _read(request)


def people(request: HttpRequest) -> frozenset[str]:
    """Keyed hashes of the addresses that have signed in in this browser (`address_key`)."""
    return frozenset(_read(request))


def remember(request: HttpRequest, email: str) -> None:
    """Make this browser known, with a fresh number; the middleware writes the cookie.

    The caller has seen proof: a complete sign-in, or a code that was mailed to the address.
    """
    people = {key: number for key, number in _read(request).items() if key != address_key(email)}
    people[address_key(email)] = secrets.token_hex(12)
    setattr(request, _PENDING, dict(list(people.items())[-PEOPLE_MAX:]))


def write_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Put what ``remember`` noted into the response."""
    people: dict[str, str] | None = getattr(request, _PENDING, None)
    if people is None:
        return
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE_NAME,
        signing.dumps(people, salt=_SALT),
        max_age=AGE_MAX_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _read(request: HttpRequest) -> dict[str, str]:
    pending: dict[str, str] | None = getattr(request, _PENDING, None)
    if pending is not None:
        return pending
    text = request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, "")
    try:
        people: Any = signing.loads(text, salt=_SALT, max_age=AGE_MAX_S)
    except signing.BadSignature:
        return {}
    return people if isinstance(people, dict) else {}

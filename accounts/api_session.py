"""A browser's session as the API knows it: nobody's is 401, somebody's without the right 403.

At the staff's door a player is nobody (`accounts.doors`).
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

#: No scheme of HTTP's own, so that no browser opens a box for a name and a password.
SCHEME: Final = "Session"


class BrowserSession(SessionAuthentication):
    """Who signed in at the pages. A 401 names how one gets in, as RFC 9110, 15.5.2 asks for."""

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # no types
    """How the description names it."""

    target_class = "accounts.api_session.BrowserSession"
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}

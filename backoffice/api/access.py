"""Who may read the staff's API: sessions with the second factor shown, tokens with the scope."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, Throttled
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import rate_limits
from accounts.api_session import BrowserSession
from accounts.models import User
from accounts.rate_limits import Act, TooMany
from backoffice.api import api_tokens
from backoffice.api.api_tokens import Token

_SCHEME: Final = "bearer "


class BadToken(APIException):
    """A token that opens nothing. Why is not told."""

    status_code = status.HTTP_401_UNAUTHORIZED
    default_detail = "This token opens nothing."
    default_code = "bad_token"
    auth_header = "Bearer"


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer faro_…`. Tries and uses are limited; `BadToken` is 401."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        text = request.META.get("HTTP_AUTHORIZATION", "")
        if not text.lower().startswith(_SCHEME):
            return None
        try:
            found = api_tokens.read(text[len(_SCHEME) :].strip())
            if found is None:
                rate_limits.consume(request, Act.API_WRONG)
                raise BadToken
            rate_limits.consume(request, Act.API_READ, email=f"token:{found[1].id}")
        except TooMany as too_many:
            raise Throttled(wait=too_many.retry_after_s) from None
        return found


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # no types
    """How the description names it."""

    target_class = "backoffice.api.access.TokenAuthentication"
    name = "staffToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


STAFF_AUTHENTICATION: Final = [BrowserSession, TokenAuthentication]


class _MayRead(BasePermission):
    """Base of the classes below, one per scope."""

    scope = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user, token = request.user, request.auth
        if not isinstance(user, User) or not (user.is_staff and user.is_active):
            return False
        if isinstance(token, Token):
            return api_tokens.may(token, user, self.scope)
        has_shown_factor = getattr(request.user, "otp_device", None) is not None
        return has_shown_factor and api_tokens.may_read(user, self.scope)


class MayReadReports(_MayRead):
    """Scope ``reports:read``."""

    scope = "reports:read"


class MayReadRounds(_MayRead):
    """Scope ``rounds:read``."""

    scope = "rounds:read"


class MayReadCases(_MayRead):
    """Scope ``cases:read``."""

    scope = "cases:read"

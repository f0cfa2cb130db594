"""Holding new sign-ins after three failures (GLI-19 §2.5.3), and letting the owner through.

django-axes counts. What it counts by is :func:`accounts.known_browser.attempt_key`, so:

- three failures by strangers hold strangers; a browser known to the account goes on signing in;
- sessions that exist are not touched;
- a code mailed to the address makes the browser in which it is typed a known one.

The same happens for addresses nobody has registered: a hold tells nothing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.core.internal.cryptokit import generate_user_code, normalize_user_code
from axes.handlers.proxy import AxesProxyHandler
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import salted_hmac

from accounts import known_browser, rate_limits
from accounts.models import UnlockCode, User, normal_email
from accounts.rate_limits import Act
from accounts.significant_events import RELEASED, note
from audit.database_clock import database_now

#: Twelve of 20 letters are 51 bits: it need not be protected by counting tries per account, which
#: would again let a stranger use them up.
CODE_LENGTH: Final = 12
#: Longer than the window of the mail limit: when no more is mailed, an unused code is in the box.
CODE_LASTS: Final = timedelta(hours=24)
_EMAIL_IN_SESSION: Final = "accounts_held_email"


def tries_counted_by(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """``AXES_USERNAME_CALLABLE``. Left to itself, axes finds no user name in allauth's form, counts
    everybody's failures under None, and one person's mistakes hold the whole world.
    """
    facts = credentials or {}
    email = facts.get("email") or facts.get("username") or request.POST.get("login") or ""
    return known_browser.attempt_key(request, str(email))


def held_response(request: HttpRequest, *_facts: object) -> HttpResponse:
    """``AXES_LOCKOUT_CALLABLE``: to the page where a code is asked for.

    Takes the address from the request: axes passes other arguments under ASGI than under WSGI.
    """
    facts = getattr(request, "axes_credentials", None) or {}
    remember_email(request, str(facts.get("email") or request.POST.get("login") or ""))
    return HttpResponseRedirect(reverse("accounts:unlock"))


def remember_email(request: HttpRequest, email: str) -> None:
    """Keep the address that is held for the pages that follow."""
    request.session[_EMAIL_IN_SESSION] = normal_email(email)


def remembered_email(request: HttpRequest) -> str:
    """The address that is held; empty when this browser met no hold."""
    return str(request.session.get(_EMAIL_IN_SESSION, ""))


def send_code(request: HttpRequest, email: str) -> None:
    """Mail a code to the address, or to an unregistered one the news that it is not registered.

    At most three mails in six hours (raises ``TooMany``); the codes of all of them stay good.
    """
    email = normal_email(email)
    rate_limits.consume(request, Act.UNLOCK_MAIL, email=email)
    remember_email(request, email)
    _mail_code(request, email)


def send_code_for(request: HttpRequest, email: str) -> None:
    """Mail a code to the address on somebody else's behalf: this browser learns and keeps nothing.

    Under the same limits as `send_code` (raises ``TooMany``).
    """
    email = normal_email(email)
    rate_limits.consume(request, Act.UNLOCK_MAIL, email=email)
    _mail_code(request, email)


def _mail_code(request: HttpRequest, email: str) -> None:
    """The mail leaves once what asked for it has committed: no code in a mail alone."""
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None:
        facts = {"signup_url": request.build_absolute_uri(reverse("account_signup"))}
        _mail_on_commit(request, "account/email/unknown_account", email, facts)
        return
    code = generate_user_code(length=CODE_LENGTH)
    UnlockCode.objects.create(
        user=user, code_hash=_hashed(code), expires_at=database_now() + CODE_LASTS
    )
    _mail_on_commit(request, "accounts/email/unlock_code", email, {"code": code})


def _mail_on_commit(request: HttpRequest, template: str, email: str, facts: dict[str, str]) -> None:
    send = partial(get_adapter(request).send_mail, template, email, facts)
    transaction.on_commit(send)


def redeem_code(request: HttpRequest, code: str) -> bool:
    """Use up a mailed code: this browser becomes known to the account, and starts at no failures.

    Only tries per network and of everybody are limited (raises ``TooMany``).
    """
    rate_limits.consume(request, Act.UNLOCK_CODE)
    email = remembered_email(request)
    now = database_now()
    with transaction.atomic():
        used = UnlockCode.objects.filter(
            user__email=email, code_hash=_hashed(code), used_at__isnull=True, expires_at__gt=now
        ).update(used_at=now)
        if not used:
            return False
        known_browser.remember(request, email)
        user = User.objects.get(email=email)
        note(RELEASED, request, user, reason="a mailed code was typed")
    request.session.pop(_EMAIL_IN_SESSION, None)
    return True


def forget_failures(request: HttpRequest, email: str) -> None:
    """Start again at no failures for whoever this browser counts as."""
    AxesProxyHandler.reset_attempts(username=known_browser.attempt_key(request, email))


def has_just_begun(request: HttpRequest) -> bool:
    """Whether the failure just counted is the one that holds, so that it is recorded once."""
    return bool(getattr(request, "axes_locked_out", False)) and bool(
        getattr(request, "axes_failures_since_start", None)
    )


def _hashed(code: str) -> str:
    return salted_hmac(
        "accounts.sign_in_hold", normalize_user_code(code), algorithm="sha256"
    ).hexdigest()

"""What happens to accounts, for the record: who, what, from where.

The e-mail and network address are personal fields: encrypted under the person's key, and forgotten
with it. A try at an address that nobody has is recorded under the hash of that address.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from accounts.client_address import client_address_text
from accounts.known_browser import address_key
from accounts.models import User
from audit.record import Personal, Subject, record, register
from kernel.ids import Actor, PlayerId

SIGNED_UP = register("accounts.signed_up", "Signed up")
SIGNED_IN = register("accounts.signed_in", "Signed in")
SIGN_IN_FAILED = register("accounts.sign_in_failed", "Sign-in failed")
SIGN_IN_REFUSED = register("accounts.sign_in_refused", "Sign-in refused")
HELD = register("accounts.sign_in_held", "New sign-ins held after failures")
RELEASED = register("accounts.sign_in_released", "Hold on sign-ins released")
SIGNED_OUT = register("accounts.signed_out", "Signed out")
SESSION_ENDED = register("accounts.session_ended", "Session ended")
PASSWORD_CHANGED = register("accounts.password_changed", "Password changed")
EMAIL_CHANGED = register("accounts.email_changed", "E-mail address changed")
SECOND_FACTOR_CHANGED = register("accounts.second_factor_changed", "Second factor changed")


def actor_of(user: User) -> Actor:
    """The person as an actor: staff or player."""
    return Actor.staff(user.pk) if user.is_staff else Actor.player(PlayerId(user.pk))


def note(
    kind: str,
    request: HttpRequest,
    user: User,
    *,
    reason: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Record that ``user`` did, or met, ``kind`` with this request."""
    record(
        kind,
        actor=actor_of(user),
        subject=Subject("user", str(user.pk)),
        component="accounts",
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        reason=reason,
        personal=Personal(user.pk, {"email": user.email, "address": client_address_text(request)}),
    )


def note_stranger(kind: str, email: str) -> None:
    """Record what happened at an address that belongs to nobody."""
    record(
        kind,
        actor=Actor.system("accounts"),
        subject=Subject("address", address_key(email)),
        component="accounts",
    )

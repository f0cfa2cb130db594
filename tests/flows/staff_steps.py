"""Members of staff at their pages, as steps for tests."""

from __future__ import annotations

import itertools
import time
from binascii import unhexlify

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import staff
from accounts.models import SET_UP, User, put_in_office
from accounts.roles import Role
from kernel.ids import Actor
from tests.flows.accounts_steps import PASSWORD

#: RFC 6238 appendix B.
KEY = "3132333435363738393031323334353637383930"
SIGN_IN = "/staff/account/login/"
CHECK = "/staff/account/second-factor/check/"
_numbers = itertools.count(1)


def make_staff(role: Role, email: str = "", key: str | None = KEY) -> User:
    """A member of staff with an authenticator."""
    address = email or f"{role.value}-{next(_numbers)}@example.org"
    user_id = staff.create_staff(email=address, password=PASSWORD, role=role, totp_key_hex=key)
    return User.objects.get(pk=user_id)


def officer(role: Role = Role.COMPLIANCE) -> Actor:
    """Somebody new in ``role``, of compliance else, as who acts."""
    return Actor.staff(make_staff(role, key=None).pk)


def employ(actor: Actor, role: Role) -> None:
    """Somebody in ``role`` behind an actor whom a test names by number."""
    user = User.objects.create(
        pk=int(actor.id), email=f"staff-{actor.id}@example.org", is_staff=True
    )
    put_in_office(user, role, by=SET_UP)


def also(user_id: int | str, role: Role) -> None:
    """One more role for somebody who is at work already."""
    put_in_office(User.objects.get(pk=user_id), role, by=SET_UP)


def administrators() -> tuple[Actor, Actor]:
    """The two whom a role takes."""
    one, two = (make_staff(Role.ADMINISTRATOR, key=None).pk for _ in range(2))
    return Actor.staff(one), Actor.staff(two)


def sign_in_staff(user: User, client: Client | None = None) -> Client:
    """A browser in which ``user`` has signed in, second factor included, the way people do."""
    client = client or Client()
    client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    totp = TOTP(unhexlify(KEY))
    totp.time = time.time()
    answer = client.post(CHECK, {"code": f"{totp.token():06d}"})
    assert answer.status_code == 302, answer.content[:300]
    return client


def staff_client(role: Role, *, verified: bool = True) -> Client:
    """A browser of a new member of staff in ``role``; not ``verified``: by password alone."""
    return enter(make_staff(role), verified=verified)


def enter(user: User, *, verified: bool = True) -> Client:
    """A browser with a living staff session, without walking through the sign-in."""
    client = Client()
    client.force_login(user, backend="accounts.authentication.PasswordAtOwnDoor")
    session = client.session
    session["staff_since_s"] = session["staff_seen_s"] = int(time.time())
    if verified:
        session["otp_device_id"] = TOTPDevice.objects.get(user=user).persistent_id
    session.save()
    client.cookies[settings.STAFF_SESSION_COOKIE_NAME] = client.cookies.pop(
        settings.SESSION_COOKIE_NAME
    ).value
    return client


def staff_session(client: Client) -> SessionStore:
    """The session behind the browser's staff cookie."""
    return SessionStore(client.cookies[settings.STAFF_SESSION_COOKIE_NAME].value)


def limit_form(context) -> dict[str, str]:
    """What the form of a table's limits sends when nobody changes a field."""
    sent = {"chip_step": context["chip_step"]}
    for row in context["limits"]:
        sent |= {f"{row.name}_least": row.least, f"{row.name}_most": row.most}
    return sent

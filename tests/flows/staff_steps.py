"""Members of staff at their pages, as steps for tests."""

from __future__ import annotations

import itertools
import time
from binascii import unhexlify

from django.test import Client
from django_otp.oath import TOTP

from accounts import staff
from accounts.models import User
from accounts.roles import Role
from tests.flows.accounts_steps import PASSWORD

#: RFC 6238 appendix B.
KEY = "3132333435363738393031323334353637383930"
_numbers = itertools.count(1)


def make_staff(role: Role, email: str = "", key: str | None = KEY) -> User:
    """A member of staff with an authenticator."""
    address = email or f"{role.value}-{next(_numbers)}@example.org"
    user_id = staff.create_staff(email=address, password=PASSWORD, role=role, totp_key_hex=key)
    return User.objects.get(pk=user_id)


def sign_in_staff(user: User, client: Client | None = None) -> Client:
    """A browser in which ``user`` has signed in, second factor included, the way people do."""
    client = client or Client()
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    totp = TOTP(unhexlify(KEY))
    totp.time = time.time()
    answer = client.post("/account/second-factor/check/", {"code": f"{totp.token():06d}"})
    assert answer.status_code == 302, answer.content[:300]
    return client


def staff_client(role: Role) -> Client:
    """A browser of a new member of staff in ``role``."""
    return sign_in_staff(make_staff(role))

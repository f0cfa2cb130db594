"""Staff of the demo, signed in at their own door the way people do."""

from __future__ import annotations

import base64

from django_otp.oath import totp

from casino import demo as house
from casino.check.visitor import Visitor
from tests.browser.demo import Demo

DOOR = "/staff/account/login/"


def cookies_of(found: Demo, role: str) -> dict[str, str]:
    """The cookies of whoever has ``role`` in their address, second factor shown."""
    email = f"{role}@faro.example"
    key = found.keys[email]
    visitor = Visitor(found.base)
    visitor.open(DOOR)
    visitor.send(
        visitor.form_with("login", "password"), {"login": email, "password": house.PASSWORD}
    )
    secret = base64.b32decode(key + "=" * (-len(key) % 8))
    visitor.send(visitor.form_with("code"), {"code": f"{totp(secret, t0=0):06d}"})
    found_cookies = visitor.cookies()
    visitor.close()
    return found_cookies

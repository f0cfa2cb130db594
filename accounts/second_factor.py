"""The second factor: an authenticator app (TOTP), and recovery codes for the day it is lost.

django-otp keeps the devices; allauth's sign-in is joined to them by one login stage. Stages are
internal to allauth: the version is pinned, and a contract test fails when they change.
"""

from __future__ import annotations

from base64 import b32encode
from binascii import unhexlify
from typing import Any, Final

import allauth.account.internal.flows  # noqa: F401  (first: stages, imported alone, imports itself)
import segno
from allauth.account.stages import LoginStage
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_otp import user_has_device
from django_otp.models import Device
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from accounts.models import User
from kernel.clock import SystemClock, epoch_ms

#: RFC 6238 §5.2: one step of 30 s either way for a slow clock or a slow hand.
TOLERANCE_STEPS: Final = 1
#: RFC 4226 §4 R6 asks for 128 bits at least and recommends 160.
KEY_BYTES: Final = 20
RECOVERY_CODES: Final = 10
ISSUER: Final = "Faro"


class SecondFactorStage(LoginStage):  # type: ignore[misc]  # allauth ships no types
    """Between password and session: whoever has a device shows it. Comes last of the stages."""

    key = "second_factor"
    urlname = "accounts:second_factor_check"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if not has_device(self.login.user):
            return None, True
        return HttpResponseRedirect(reverse(self.urlname)), True


def has_device(user: User) -> bool:
    """Whether the person has an enrolled second factor."""
    return bool(user_has_device(user, confirmed=True))


def matching_device(user: User, typed: str) -> Device | None:
    """The person's device that accepts ``typed``, which is thereby used up.

    Locks the devices of the kind that the text looks like, six digits or a recovery code, so that
    a recovery code does not count as a failure of the authenticator. django-otp makes each device
    wait longer after each failure.
    """
    token = "".join(typed.split()).replace("-", "").lower()
    model: Any = TOTPDevice if token.isdecimal() and len(token) == 6 else StaticDevice
    with transaction.atomic():
        devices = model.objects.filter(user=user, confirmed=True).order_by("pk")
        for device in devices.select_for_update():
            if device.verify_token(token):
                return device
    return None


def new_key() -> str:
    """A fresh key for an authenticator, as hex."""
    return str(random_hex(KEY_BYTES))


def enrol(user: User, key_hex: str, typed: str) -> TOTPDevice | None:
    """Enrol an authenticator with this key if ``typed`` is what it shows now, else None.

    Replaces the one before. The code used here is not accepted again.
    """
    token = "".join(typed.split())
    totp = TOTP(unhexlify(key_hex))
    totp.time = epoch_ms(SystemClock().now()) / 1000
    if not token.isdecimal() or not totp.verify(int(token), tolerance=TOLERANCE_STEPS):
        return None
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        return TOTPDevice.objects.create(
            user=user, name="authenticator", key=key_hex, confirmed=True, last_t=totp.t()
        )


def new_recovery_codes(user: User) -> list[str]:
    """Ten fresh recovery codes, to be shown once; the ones before are void."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        device.token_set.bulk_create([StaticToken(device=device, token=code) for code in codes])
    return codes


def recovery_codes_left(user: User) -> int:
    """How many recovery codes are still good."""
    return int(StaticToken.objects.filter(device__user=user, device__confirmed=True).count())


def remove(user: User) -> bool:
    """Remove every second factor of the person; False when there was none."""
    with transaction.atomic():
        _, totp = TOTPDevice.objects.filter(user=user).delete()
        _, static = StaticDevice.objects.filter(user=user).delete()
    return bool(totp or static)


def readable_key(key_hex: str) -> str:
    """The key in base 32, in groups of four: for typing where no camera is."""
    text = b32encode(unhexlify(key_hex)).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def enrolment_address(user: User, key_hex: str) -> str:
    """The ``otpauth:`` address that an authenticator app reads from the picture."""
    device = TOTPDevice(user=user, key=key_hex, name="authenticator")
    return str(device.config_url)


def qr_svg(address: str) -> bytes:
    """The picture of ``address``, drawn here: the key never leaves for somebody else's server."""
    return (
        segno.make(address, error="m")
        .svg_inline(scale=5, border=4, dark="#000", light="#fff")
        .encode()
    )

"""The key with which the platform signs what a presenter does at a table's console.

An act at the console becomes a signed observation of a device of kind ``console``, like a key of
the presenter's keypad, so that the evidence of a round is one uniform record. The private half is
never in the database: it is derived from ``FARO_CONSOLE_KEY`` and the table's name. The public half
is enrolled in the register of devices, where it can be revoked like any other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from kernel.ids import Actor
from kernel.refusal import Refused
from tables.devices import devices
from tables.models import DeviceKey, DeviceKind

#: Ed25519 seeds (RFC 8032 §5.1.5) and HMAC-SHA256 keys alike.
KEY_BYTES: Final = 32
_PURPOSE: Final = b"faro console key v1\n"


class ConsoleKeyCode(StrEnum):
    """Why nothing can be signed at a console."""

    KEY_NOT_SET = "console_key_not_set"
    CONSOLE_RETIRED = "console_retired"


@dataclass(frozen=True, slots=True)
class ConsoleKey:
    """The console of a table as a device that signs."""

    device_id: str
    key_id: str
    private_b64: str
    public_b64: str


def master_key() -> bytes:
    """The bytes of ``FARO_CONSOLE_KEY``; ``ImproperlyConfigured`` where it is not what it must."""
    try:
        raw = base64.b64decode(settings.FARO_CONSOLE_KEY, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ImproperlyConfigured("FARO_CONSOLE_KEY is not 32 bytes in URL-safe base64")
    return raw


def key_of(table_id: str) -> ConsoleKey:
    """The table's console key; refuses with ``console_key_not_set`` where the house has none."""
    try:
        master = master_key()
    except ImproperlyConfigured as wrong:
        raise Refused(ConsoleKeyCode.KEY_NOT_SET) from wrong
    seed = hmac.new(master, _PURPOSE + table_id.encode(), hashlib.sha256).digest()
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    return ConsoleKey(
        device_id=f"{table_id}-console",
        key_id=f"{table_id}-console-{hashlib.sha256(public).hexdigest()[:8]}",
        private_b64=base64.b64encode(seed).decode(),
        public_b64=base64.b64encode(public).decode(),
    )


def enrolled(table_id: str, *, actor: Actor) -> ConsoleKey:
    """The table's console key, enrolled at its first use. A transaction of its own.

    A new ``FARO_CONSOLE_KEY`` is enrolled and revokes whatever else is in force, in one: a console
    signs with one key. A key that somebody revoked by hand is not enrolled again. A console is not
    awaited: a table whose presenter uses the keypad does not stop because no console is open.
    """
    key = key_of(table_id)
    found = DeviceKey.objects.filter(device_id=key.device_id).values_list("id", "revoked_at")
    in_force = {key_id for key_id, revoked_at in found if revoked_at is None}
    is_known = key.key_id in {key_id for key_id, _ in found}
    if in_force == {key.key_id} or (is_known and key.key_id not in in_force):
        return key
    wanted = devices.Wanted(
        key.device_id, DeviceKind.CONSOLE, key.key_id, key.public_b64, must_be_heard=False
    )
    try:
        devices.renew_key(
            table_id, wanted, reason="the house's console key was changed", actor=actor
        )
    except Refused as refused:
        if refused.code is not devices.DeviceCode.RETIRED:
            raise
        raise Refused(ConsoleKeyCode.CONSOLE_RETIRED, device=key.device_id) from refused
    return key

"""Ed25519 signatures (RFC 8032) over what devices say: one key per device.

The signed bytes begin with a fixed purpose and the key's name, so that a signature made for
anything else, or under another key name, never passes here. Which key belongs to which device
is the receiver's register, not this module's.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from studio.protocol.messages import (
    PAYLOAD_BYTES_MAX,
    Malformed,
    Observation,
    decode,
    encode,
    is_name,
)

_PURPOSE: Final = b"faro studio observation v1\n"
_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


class BadSignature(Exception):
    """The signature does not belong to these bytes, this key name and this public key."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Raw 32-byte Ed25519 keys in standard base64. The private half stays in the studio."""

    private_b64: str
    public_b64: str


@dataclass(frozen=True, slots=True)
class Signed:
    """Canonical bytes of a message, their signature, and the name of the key."""

    payload: bytes
    signature: bytes
    key_id: str


def generate_key() -> KeyPair:
    """A fresh key pair from the system's entropy."""
    private = Ed25519PrivateKey.generate()
    return KeyPair(
        private_b64=base64.b64encode(private.private_bytes_raw()).decode(),
        public_b64=base64.b64encode(private.public_key().public_bytes_raw()).decode(),
    )


def sign(observation: Observation, private_b64: str, key_id: str) -> Signed:
    """``observation`` signed; raises :class:`Malformed` for one that no receiver would accept."""
    return sign_bytes(_PURPOSE, encode(observation), private_b64, key_id)


def verify(signed: Signed, public_b64: str) -> Observation:
    """The observation in ``signed``, read only after its signature was found good.

    Raises :class:`BadSignature` or :class:`Malformed`. Does not judge order, freshness or whether
    the device may speak for the table: the caller compares those with its register.
    """
    return decode(verified_bytes(_PURPOSE, signed, public_b64))


def sign_bytes(purpose: bytes, payload: bytes, private_b64: str, key_id: str) -> Signed:
    """``payload`` signed for ``purpose``; raises :class:`Malformed` for a key or name that is none.

    ``purpose`` ends with a line break and is fixed per kind of message: what was signed for one
    purpose never passes for another.
    """
    if not is_name(key_id):
        raise Malformed("key id is not a name")
    private = Ed25519PrivateKey.from_private_bytes(_raw(private_b64))
    return Signed(payload, private.sign(_signed_bytes(purpose, payload, key_id)), key_id)


def verified_bytes(purpose: bytes, signed: Signed, public_b64: str) -> bytes:
    """The payload of ``signed``, whose signature is good; else :class:`BadSignature`."""
    if len(signed.payload) > PAYLOAD_BYTES_MAX or not is_name(signed.key_id):
        raise Malformed("payload too large or key id not a name")
    public = Ed25519PublicKey.from_public_bytes(_raw(public_b64))
    try:
        public.verify(signed.signature, _signed_bytes(purpose, signed.payload, signed.key_id))
    except InvalidSignature:
        raise BadSignature(signed.key_id) from None
    return signed.payload


def _signed_bytes(purpose: bytes, payload: bytes, key_id: str) -> bytes:
    return purpose + key_id.encode("ascii") + b"\n" + payload


def _raw(key_b64: str) -> bytes:
    try:
        raw = base64.b64decode(key_b64.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("key is not base64") from None
    if len(raw) != _KEY_BYTES:
        raise Malformed("key is not 32 bytes")
    return raw

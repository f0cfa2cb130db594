"""The two secrets of the record, read from settings: the wrapping key and the seal's seed.

`FARO_AUDIT_KEY` is one key or several, separated by commas: ``2:BASE64,1:BASE64``. The first is
used for new things; the others still open old ones, so that a key can be changed without touching a
record. A key without a number is number 1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: AES-256 and the Ed25519 seed (RFC 8032 §5.1.5) are both 32 bytes.
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class WrappingKeys:
    """Wrapping keys by version, and the version used for new keys."""

    current: int
    by_version: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class SealKey:
    """The signing key of seals and the short name under which outsiders know its public half."""

    private: Ed25519PrivateKey
    public: bytes
    key_id: str


def wrapping_keys() -> WrappingKeys:
    """The keys of `FARO_AUDIT_KEY`; ``ImproperlyConfigured`` where it is not what it must be."""
    by_version: dict[int, bytes] = {}
    for part in settings.FARO_AUDIT_KEY.split(","):
        version, colon, text = part.strip().rpartition(":")
        number = int(version) if colon and version.isdecimal() else 1
        if number in by_version:
            raise ImproperlyConfigured(f"FARO_AUDIT_KEY names version {number} twice")
        by_version[number] = _decode("FARO_AUDIT_KEY", text)
    return WrappingKeys(next(iter(by_version)), by_version)


def seal_key() -> SealKey:
    """The key of `FARO_SEAL_KEY`; ``ImproperlyConfigured`` where it is not what it must be."""
    private = Ed25519PrivateKey.from_private_bytes(_decode("FARO_SEAL_KEY", settings.FARO_SEAL_KEY))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SealKey(private, public, _key_id(private.public_key()))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that seals can be checked with, by the short name that stands in them."""

    key_id: str
    pem: str
    is_current: bool


def public_keys() -> list[PublicKey]:
    """The public half of the sealing key, and of those that signed before it."""
    current = seal_key().private.public_key()
    return [
        PublicKey(_key_id(key), _pem(key), key is current) for key in [current, *old_public_keys()]
    ]


def public_key_pem() -> bytes:
    """All public keys of seals, as the file that `python -m verify` takes."""
    return "".join(key.pem for key in public_keys()).encode()


def old_public_keys() -> list[Ed25519PublicKey]:
    """Keys of `FARO_SEAL_OLD_KEYS`: each the line between BEGIN and END of its PEM file."""
    keys = []
    for text in settings.FARO_SEAL_OLD_KEYS:
        try:
            key = load_der_public_key(base64.b64decode(text, validate=True))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ImproperlyConfigured("FARO_SEAL_OLD_KEYS holds no public key") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ImproperlyConfigured("FARO_SEAL_OLD_KEYS holds a key that is not Ed25519")
        keys.append(key)
    return keys


def _key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _decode(name: str, text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text.strip())
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"{name} is not {KEY_BYTES} bytes in URL-safe base64")
    return key

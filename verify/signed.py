"""Signed lines: ``{"payload": "...", "signature": "hex"}`` in exactly one spelling.

Every byte of a line is covered: the payload by the signature, the rest by there being only one way
to write it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from verify.findings import Code, Finding, Spoiled, Unusable

SEAL_CONTEXT = b"faro-seal-v1\n"
EXPORT_CONTEXT = b"faro-export-v1\n"
PACK_CONTEXT = b"faro-pack-v1\n"
_END = b"-----END PUBLIC KEY-----"


def load_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 public keys of a PEM file (several after a change of keys), by short name."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Unusable(f"public key: {error}") from error
    keys = {}
    for block in text.split(_END)[:-1]:
        try:
            key = load_pem_public_key(block + _END + b"\n")
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Unusable(f"{path} holds something that is no public key: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Unusable(f"{path} holds a public key that is not Ed25519")
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        keys[hashlib.sha256(raw).hexdigest()[:16]] = key
    if not keys:
        raise Unusable(f"{path} holds no public key in PEM form")
    return keys


def one_spelling(value: Any) -> bytes:
    """The only JSON spelling of ``value`` that an export uses."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def open_signed(
    line: bytes, context: bytes, keys: dict[str, Ed25519PublicKey], place: Finding
) -> tuple[dict[str, Any], str]:
    """The payload of a signed line, as a value and as its SHA-256; ``Spoiled`` if anything is off.

    ``place`` says where we are; its code and detail are replaced.
    """
    try:
        outer = json.loads(line)
        payload, signature = outer["payload"].encode(), bytes.fromhex(outer["signature"])
        inner = json.loads(payload)
        key_id = inner["key"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _spoiled(place, Code.UNREADABLE, f"no signed line: {error}") from error
    if one_spelling({"payload": outer["payload"], "signature": signature.hex()}) != line:
        raise _spoiled(place, Code.NOT_CANONICAL, "the line is not in its one spelling")
    if key_id not in keys:
        raise _spoiled(place, Code.UNKNOWN_KEY, f"signed with a key we do not have: {key_id}")
    try:
        keys[key_id].verify(signature, context + payload)
    except InvalidSignature:
        raise _spoiled(place, Code.BAD_SIGNATURE, "the signature does not fit") from None
    return inner, hashlib.sha256(payload).hexdigest()


def _spoiled(place: Finding, code: Code, detail: str) -> Spoiled:
    return Spoiled(Finding(place.source, code, detail, place.row, place.seal))

"""The check of observations: each was signed by the device that it names, with a key under a seal.

A device signs its own bytes; which key is whose is the sealed list ``device_keys``. One pass, and
memory for the keys alone. What an observation says is read by `verify.results`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.export import Export, Listed
from verify.findings import Code, Finding, Spoiled

#: What a device signs begins with these words and the name of its key.
CONTEXT: Final = b"faro studio observation v1\n"
KEYS: Final = "device_keys"
#: The device and the key of each name of a key.
Keys = dict[str, tuple[str, Ed25519PublicKey]]


def check_observations(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about the signed observations of the export: none, or the first."""
    keys = _keys(export)
    for row, line in export.rows(listed.name):
        try:
            wrong = _wrong(json.loads(line), keys)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            wrong = (Code.UNREADABLE, f"cannot be read: {error!r}")
        if wrong is not None:
            yield Finding(listed.name, *wrong, row)
            return


def _wrong(one: dict[str, Any], keys: Keys) -> tuple[Code, str] | None:
    name = f"observation {one['n']} of {one['table']}"
    if one["key"] not in keys:
        return Code.DEVICE_UNKNOWN, f"{name}: its key {one['key']} is under no seal"
    device, key = keys[one["key"]]
    payload = base64.b64decode(one["payload"], validate=True)
    signed = CONTEXT + one["key"].encode() + b"\n" + payload
    try:
        key.verify(base64.b64decode(one["signature"], validate=True), signed)
    except InvalidSignature:
        return Code.OBSERVATION_FORGED, f"{name}: its device did not sign this"
    said = json.loads(payload)
    if not (said["device"] == one["device"] == device) or said["seq"] != one["seq"]:
        return Code.DEVICE_DIFFERS, f"{name} was signed by {device} as {said['device']}"
    if said["table"] != one["table"]:
        return Code.DEVICE_DIFFERS, f"{name} was signed for {said['table']}"
    return None


def _keys(export: Export) -> Keys:
    """The keys under seals; the first enrolment of a name counts."""
    keys: Keys = {}
    for row, line in export.rows(KEYS):
        try:
            one = json.loads(line)
            raw = base64.b64decode(one["public_key"], validate=True)
            keys.setdefault(one["id"], (one["device"], Ed25519PublicKey.from_public_bytes(raw)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            detail = f"is no key of a device: {error!r}"
            raise Spoiled(Finding(KEYS, Code.UNREADABLE, detail, row)) from error
    return keys

"""The check of observations: each was signed by the device that it names, with a key under a seal.

A device signs its own bytes; which key is whose is the sealed list ``device_keys``. A key counts
from its enrolment, the later of what that list and the record say of it, to its revocation, and
only with the record's word of who enrolled it as what: a wheel names the result, a keypad or
console confirms it. No device uses a sequence number twice.

Nothing sealed can say that a key was in the device when it was enrolled: the report names every
key, and `verify.device_file` holds them against those of the studio. One pass, memory for the keys
alone; sequence numbers go to the disk. What an observation says is read by `verify.results`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.export import Export, Listed
from verify.findings import Code, Finding, Spoiled
from verify.spool import Once, Spool

#: What a device signs begins with these words and the name of its key.
CONTEXT: Final = b"faro studio observation v1\n"
KEYS: Final = "device_keys"
RECORD: Final = "audit"
_OF_KEYS: Final = frozenset({"device.enrolled", "device.key_enrolled", "device.key_revoked"})
#: Which kinds of device may say which observation; of the others any may say all.
_SPEAKERS: Final = {
    "result": frozenset({"wheel"}),
    "presenter_confirm": frozenset({"keypad", "console"}),
}
#: A revocation is dated when it began, and may have waited so long for a report in the storing.
_REVOKING: Final = timedelta(seconds=30)
_BAD: Final = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(slots=True)
class Key:
    """One sealed key; ``kind`` is its device's by the record, '' where nobody enrolled it so."""

    name: str
    device: str
    public: str
    at: datetime
    row: int
    kind: str = ""
    revoked: datetime | None = None

    def as_dict(self) -> dict[str, str | None]:
        return {
            "key": self.name,
            "device": self.device,
            "kind": self.kind,
            "public_key": self.public,
            "enrolled": self.at.isoformat(),
            "revoked": None if self.revoked is None else self.revoked.isoformat(),
        }

    def __str__(self) -> str:
        until = "" if self.revoked is None else f", revoked {self.revoked.isoformat()}"
        kind = self.kind or "enrolled by nobody"
        enrolled = f"enrolled {self.at.isoformat()}{until}"
        return f"key {self.name} of {self.device} ({kind}), {enrolled}: {self.public}"


def check_observations(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about the signed observations of the export: none, or the first."""
    keys = {key.name: (key, _opened(key)) for key in device_keys(export)}
    with Spool() as spool:
        once = Once(spool)
        for row, line in export.rows(listed.name):
            try:
                one = json.loads(line)
                wrong = _wrong(one, keys)
                once.use(f"{one['device']} {one['seq']}", row)
            except _BAD as error:
                wrong = (Code.UNREADABLE, f"cannot be read: {error!r}")
            if wrong is not None:
                yield Finding(listed.name, *wrong, row)
                return
        repeated = once.first_repeated()
    if repeated is not None:
        detail = "its device has used this sequence number before"
        yield Finding(listed.name, Code.OBSERVATION_REPEATED, detail, repeated.row)


def _wrong(
    one: dict[str, Any], keys: dict[str, tuple[Key, Ed25519PublicKey]]
) -> tuple[Code, str] | None:
    name = f"observation {one['n']} of {one['table']}"
    if one["key"] not in keys:
        return Code.DEVICE_UNKNOWN, f"{name}: its key {one['key']} is under no seal"
    key, public = keys[one["key"]]
    payload = base64.b64decode(one["payload"], validate=True)
    signed = CONTEXT + one["key"].encode() + b"\n" + payload
    try:
        public.verify(base64.b64decode(one["signature"], validate=True), signed)
    except InvalidSignature:
        return Code.OBSERVATION_FORGED, f"{name}: its device did not sign this"
    said = json.loads(payload)
    if not (said["device"] == one["device"] == key.device) or said["seq"] != one["seq"]:
        return Code.DEVICE_DIFFERS, f"{name} was signed by {key.device} as {said['device']}"
    if said["table"] != one["table"]:
        return Code.DEVICE_DIFFERS, f"{name} was signed for {said['table']}"
    return _out_of_force(name, key, datetime.fromisoformat(one["at"])) or _not_its(
        name, key, said["kind"]
    )


def _out_of_force(name: str, key: Key, received: datetime) -> tuple[Code, str] | None:
    """A key counts for what came after its enrolment and before its revocation."""
    if not key.kind:
        return Code.DEVICE_UNKNOWN, f"{name}: the record enrols no key {key.name} of {key.device}"
    if received < key.at:
        return Code.DEVICE_UNKNOWN, f"{name} came before its key {key.name} was enrolled"
    if key.revoked is not None and received > key.revoked + _REVOKING:
        return Code.DEVICE_UNKNOWN, f"{name} came after its key {key.name} was revoked"
    return None


def _not_its(name: str, key: Key, kind: str) -> tuple[Code, str] | None:
    if key.kind in _SPEAKERS.get(kind, {key.kind}):
        return None
    return Code.DEVICE_DIFFERS, f"{name}: a {key.kind} says {kind}"


def device_keys(export: Export) -> list[Key]:
    """The keys under seals, with what the record says of them; a name's first enrolment counts."""
    keys: dict[str, Key] = {}
    for row, line in export.rows(KEYS):
        try:
            one = json.loads(line)
            at = datetime.fromisoformat(one["at"])
            key = Key(str(one["id"]), str(one["device"]), str(one["public_key"]), at, row)
        except _BAD as error:
            raise _no_key(row, error) from error
        keys.setdefault(key.name, key)
    _note_record(export, keys)
    return list(keys.values())


def _note_record(export: Export, keys: dict[str, Key]) -> None:
    """What each device was enrolled as, which keys were enrolled with it, and revocations."""
    kinds: dict[str, str] = {}
    enrolled: dict[str, datetime] = {}
    for row, line in export.rows(RECORD):
        try:
            event = json.loads(line)
            kind, after, (subject, device) = event["kind"], event["after"], event["subject"]
            if subject != "device" or not str(kind).startswith("device."):
                continue
            if kind == "device.enrolled":
                kinds.setdefault(device, after["kind"])
            key = keys.get(after["key"]) if kind in _OF_KEYS else None
            if key is None or key.device != device:
                continue
            at = datetime.fromisoformat(event["at"])
            if kind == "device.key_revoked":
                key.revoked = key.revoked or at
            elif after.get("public_key", key.public) == key.public:
                enrolled[key.name] = min(at, enrolled.get(key.name, at))
        except _BAD as error:
            detail = f"is no event of the record: {error!r}"
            raise Spoiled(Finding(RECORD, Code.UNREADABLE, detail, row)) from error
    for name, at in enrolled.items():
        key = keys[name]
        key.kind, key.at = kinds.get(key.device, ""), max(key.at, at)


def _opened(key: Key) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public, validate=True))
    except _BAD as error:
        raise _no_key(key.row, error) from error


def _no_key(row: int, error: Exception) -> Spoiled:
    return Spoiled(Finding(KEYS, Code.UNREADABLE, f"is no key of a device: {error!r}", row))

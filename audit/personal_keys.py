"""Personal fields of the record at rest: encrypted under a key per person, to be forgettable.

The record itself never changes. To erase a person is to destroy that person's keys: the encrypted
bytes stay, sealed and verifiable, and nobody can read them again. Each data key (AES-256-GCM) is
kept wrapped by `FARO_AUDIT_KEY`; person and row are bound in as associated data, so that bytes
moved to another row or another person do not open.

A person may have several keys: two first events at the same moment each make one, which is simpler
and safer than having them wait for each other. Erasing destroys them all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection, transaction

from audit.canonical import storable
from audit.keys import KEY_BYTES, WrappingKeys, wrapping_keys
from kernel.ids import new_id
from kernel.invariant import InvariantBroken, ensure
from kernel.refusal import Refused

#: NIST SP 800-38D §5.2.1.1: the 96-bit nonce. Random; far below 2^32 uses of one person's key.
NONCE_BYTES: Final = 12


class PersonalCode(StrEnum):
    """Why personal fields are not shown."""

    NO_SUCH_EVENT = "no_such_event"
    NOT_PERMITTED = "not_permitted"
    REASON_MISSING = "reason_missing"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Nonce and ciphertext, and the key they were made with."""

    key_id: UUID
    data: bytes


def encrypt(event_id: UUID, person_id: int, fields: Mapping[str, str]) -> Encrypted:
    """``fields`` of ``person_id`` encrypted for the row ``event_id``; makes a key if there is none.

    Runs in the caller's transaction and waits for nobody.
    """
    key_id, key = _usable_key(person_id)
    text = json.dumps({storable(k): storable(v) for k, v in fields.items()}, ensure_ascii=False)
    nonce = os.urandom(NONCE_BYTES)
    data = nonce + AESGCM(key).encrypt(nonce, text.encode(), _row_binding(person_id, event_id))
    return Encrypted(key_id, data)


def encrypt_bytes(person_id: int, data: bytes, *, binding: str) -> Encrypted:
    """``data`` about ``person_id`` encrypted for one place, which ``binding`` names.

    Forgotten with the person: `audit.personal.erase` destroys the key. Runs in the caller's
    transaction and waits for nobody.
    """
    key_id, key = _usable_key(person_id)
    nonce = os.urandom(NONCE_BYTES)
    body = AESGCM(key).encrypt(nonce, data, _place_binding(person_id, binding))
    return Encrypted(key_id, nonce + body)


def decrypt_bytes(person_id: int, sealed: Encrypted, *, binding: str) -> bytes:
    """What `encrypt_bytes` took; refuses with ``ERASED`` once the person's keys are destroyed.

    Whoever calls it has asked for a right and records that it was read.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT wrapped, wrap_version FROM audit_person_key WHERE id = %s AND person_id = %s",
            [sealed.key_id, person_id],
        )
        row = cursor.fetchone()
    ensure(row is not None, "sealed bytes name a key of their person", key=str(sealed.key_id))
    if row[0] is None:
        raise Refused(PersonalCode.ERASED)
    key = _unwrap(wrapping_keys(), sealed.key_id, person_id, bytes(row[0]), row[1])
    nonce, body = sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, body, _place_binding(person_id, binding))
    except InvalidTag:
        raise InvariantBroken("sealed bytes belong to their place", binding=binding) from None


def _usable_key(person_id: int) -> tuple[UUID, bytes]:
    keys = wrapping_keys()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, wrapped, wrap_version FROM audit_person_key"
            " WHERE person_id = %s AND wrapped IS NOT NULL ORDER BY id LIMIT 1",
            [person_id],
        )
        row = cursor.fetchone()
        if row is not None:
            return row[0], _unwrap(keys, row[0], person_id, bytes(row[1]), row[2])
        key_id, key = new_id(), os.urandom(KEY_BYTES)
        cursor.execute(
            "INSERT INTO audit_person_key (id, person_id, wrapped, wrap_version)"
            " VALUES (%s, %s, %s, %s)",
            [key_id, person_id, _wrap(keys, key_id, person_id, key), keys.current],
        )
    return key_id, key


def decrypt(event_id: UUID) -> dict[str, str]:
    """The personal fields of one event; refuses with ``NO_SUCH_EVENT`` or ``ERASED``.

    Only ``audit.personal.reveal`` calls it, after asking for a right and a reason.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.person_id, e.personal, k.id, k.wrapped, k.wrap_version FROM audit_event e"
            " LEFT JOIN audit_person_key k ON k.id = e.personal_key WHERE e.id = %s",
            [event_id],
        )
        row = cursor.fetchone()
    if row is None or row[1] is None:
        raise Refused(PersonalCode.NO_SUCH_EVENT)
    person_id, data, key_id, wrapped, version = row
    if wrapped is None:
        raise Refused(PersonalCode.ERASED)
    key = _unwrap(wrapping_keys(), key_id, person_id, bytes(wrapped), version)
    nonce, body = bytes(data[:NONCE_BYTES]), bytes(data[NONCE_BYTES:])
    try:
        text = AESGCM(key).decrypt(nonce, body, _row_binding(person_id, event_id))
    except InvalidTag:
        raise InvariantBroken("personal fields belong to their row", event=str(event_id)) from None
    fields: dict[str, Any] = json.loads(text)
    return {name: str(value) for name, value in fields.items()}


def _wrap(keys: WrappingKeys, key_id: UUID, person_id: int, key: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    bound = _key_binding(key_id, person_id, keys.current)
    return nonce + AESGCM(keys.by_version[keys.current]).encrypt(nonce, key, bound)


def _unwrap(
    keys: WrappingKeys, key_id: UUID, person_id: int, wrapped: bytes, version: int
) -> bytes:
    ensure(version in keys.by_version, "FARO_AUDIT_KEY still holds this version", version=version)
    nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
    bound = _key_binding(key_id, person_id, version)
    try:
        return AESGCM(keys.by_version[version]).decrypt(nonce, body, bound)
    except InvalidTag:
        raise InvariantBroken("a person's key opens with FARO_AUDIT_KEY", key=str(key_id)) from None


def _row_binding(person_id: int, event_id: UUID) -> bytes:
    return f"faro-audit-personal-v1|{person_id}|{event_id}".encode()


def _place_binding(person_id: int, binding: str) -> bytes:
    return f"faro-person-bytes-v1|{person_id}|{binding}".encode()


def _key_binding(key_id: UUID, person_id: int, version: int) -> bytes:
    return f"faro-audit-key-v1|{key_id}|{person_id}|{version}".encode()


def rewrap() -> int:
    """Wrap every key anew under the current `FARO_AUDIT_KEY`; returns how many changed.

    Run as the owner of the tables (the database refuses it to the processes, who could else destroy
    every key with it), after a new version was put first in the setting; then the old one can be
    dropped from it, unless a sealed report (`compliance_watch_report.key_version`) still names it:
    those are sealed under the setting itself.
    """
    keys = wrapping_keys()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, person_id, wrapped, wrap_version FROM audit_person_key"
            " WHERE wrapped IS NOT NULL AND wrap_version <> %s ORDER BY id FOR UPDATE",
            [keys.current],
        )
        rows = cursor.fetchall()
        for key_id, person_id, wrapped, version in rows:
            key = _unwrap(keys, key_id, person_id, bytes(wrapped), version)
            cursor.execute(
                "UPDATE audit_person_key SET wrapped = %s, wrap_version = %s WHERE id = %s",
                [_wrap(keys, key_id, person_id, key), keys.current, key_id],
            )
    return len(rows)

"""What registers need to know of a person: kept encrypted under the person's key, append-only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from django.db import connection

from audit.canonical import storable
from audit.personal_keys import Encrypted, PersonalCode, decrypt_bytes, encrypt_bytes
from compliance.registries.protocol import Fact
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused

CHARS_MAX: Final = 150


def write(player_id: PlayerId, facts: Mapping[Fact, str]) -> None:
    """Keep them, in the caller's transaction; nothing where nothing is given."""
    plain = {
        fact.value: storable(text.strip())[:CHARS_MAX]
        for fact, text in facts.items()
        if text.strip()
    }
    if not plain:
        return
    row_id = new_id()
    sealed = encrypt_bytes(
        int(player_id), json.dumps(plain, ensure_ascii=False).encode(), binding=_binding(row_id)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_person_facts (id, player_id, person_key, personal)"
            " VALUES (%s, %s, %s, %s)",
            [row_id, player_id, sealed.key_id, sealed.data],
        )


def latest(player_id: PlayerId) -> dict[Fact, str]:
    """All that is known, the newer value counting; nothing of somebody who was forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, person_key, personal FROM compliance_person_facts"
            " WHERE player_id = %s ORDER BY at, id",
            [player_id],
        )
        rows = cursor.fetchall()
    merged: dict[Fact, str] = {}
    for row_id, key_id, personal in rows:
        try:
            plain = decrypt_bytes(
                int(player_id), Encrypted(key_id, bytes(personal)), binding=_binding(row_id)
            )
        except Refused as refused:
            if refused.code is not PersonalCode.ERASED:
                raise
            continue
        merged |= {Fact(name): text for name, text in json.loads(plain).items()}
    return merged


def _binding(row_id: object) -> str:
    return f"person-facts|{row_id}"

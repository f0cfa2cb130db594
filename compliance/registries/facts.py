"""What registers need to know of a person: kept encrypted under the person's key, append-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db import connection

from compliance import personal_words
from compliance.registries.protocol import Fact
from kernel.ids import PlayerId, new_id

CHARS_MAX: Final = 150


def write(player_id: PlayerId, facts: Mapping[Fact, str]) -> None:
    """Keep them, in the caller's transaction; nothing where nothing is given."""
    words = {fact.value: text for fact, text in facts.items() if text.strip()}
    if not words:
        return
    row_id = new_id()
    sealed = personal_words.seal(player_id, words, binding=_binding(row_id), chars_max=CHARS_MAX)
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
        words = personal_words.unseal(player_id, key_id, personal, binding=_binding(row_id))
        merged |= {Fact(name): text for name, text in words.items()}
    return merged


def _binding(row_id: object) -> str:
    return f"person-facts|{row_id}"

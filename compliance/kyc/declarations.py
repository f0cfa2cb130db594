"""What a player wrote about themselves, and what an officer read off: encrypted, append-only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from django.db import connection

from audit.canonical import storable
from audit.personal_keys import Encrypted, PersonalCode, decrypt_bytes, encrypt_bytes
from compliance.kyc.models import KycDeclaration
from compliance.kyc.states import Subject
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

FIELD_MAX: Final = 2_000


def write(
    player_id: PlayerId, subject: Subject, attempt: int, fields: Mapping[str, str], actor: Actor
) -> None:
    """Add a declaration, in the caller's transaction. Values are cut at ``FIELD_MAX``."""
    row_id = new_id()
    plain = {name: storable(value.strip())[:FIELD_MAX] for name, value in fields.items()}
    sealed = encrypt_bytes(
        int(player_id),
        json.dumps(plain, ensure_ascii=False).encode(),
        binding=f"kyc-declaration|{row_id}",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_kyc_declaration (id, player_id, subject, attempt, actor_kind,"
            " actor_id, person_key, personal) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                row_id,
                player_id,
                subject.value,
                attempt,
                actor.kind.value,
                storable(actor.id),
                sealed.key_id,
                sealed.data,
            ],
        )


def latest(player_id: PlayerId, subject: Subject) -> tuple[dict[str, str], int]:
    """All declarations merged, the newer value counting, and the attempt of the newest.

    Nothing where the person is forgotten.
    """
    merged: dict[str, str] = {}
    attempt = 0
    for row in KycDeclaration.objects.filter(player_id=player_id, subject=subject.value):
        try:
            plain = decrypt_bytes(
                int(player_id),
                Encrypted(row.person_key, bytes(row.personal)),
                binding=f"kyc-declaration|{row.id}",
            )
        except Refused as refused:
            if refused.code is not PersonalCode.ERASED:
                raise
            continue
        merged |= {name: str(value) for name, value in json.loads(plain).items() if value}
        attempt = row.attempt
    return merged, attempt

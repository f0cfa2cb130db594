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
from kernel.ids import Actor, ActorKind, PlayerId, new_id
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


def latest(
    player_id: PlayerId, subject: Subject, attempt: int | None = None
) -> tuple[dict[str, str], bool]:
    """An attempt's declarations merged, the newer value counting; and whether a player wrote any.

    Words of an earlier attempt never stand beside new documents. Without ``attempt`` all of them
    count, as for screening. Nothing where the person is forgotten.
    """
    merged: dict[str, str] = {}
    is_players = False
    rows = KycDeclaration.objects.filter(player_id=player_id, subject=subject.value)
    for row in rows:
        if attempt not in {None, row.attempt}:
            continue
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
        is_players |= row.actor_kind == ActorKind.PLAYER.value
    return merged, is_players

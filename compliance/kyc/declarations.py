"""What a player wrote about themselves, and what an officer read off: encrypted, append-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db import connection

from audit.canonical import storable
from compliance import personal_words
from compliance.kyc.models import KycDeclaration
from compliance.kyc.states import Subject
from kernel.ids import Actor, ActorKind, PlayerId, new_id

FIELD_MAX: Final = 2_000


def write(
    player_id: PlayerId, subject: Subject, attempt: int, fields: Mapping[str, str], actor: Actor
) -> None:
    """Add a declaration, in the caller's transaction. Values are cut at ``FIELD_MAX``."""
    row_id = new_id()
    sealed = personal_words.seal(player_id, fields, binding=_binding(row_id), chars_max=FIELD_MAX)
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
        words = personal_words.unseal(
            player_id, row.person_key, row.personal, binding=_binding(row.id)
        )
        merged |= {name: value for name, value in words.items() if value}
        is_players |= bool(words) and row.actor_kind == ActorKind.PLAYER.value
    return merged, is_players


def _binding(row_id: object) -> str:
    return f"kyc-declaration|{row_id}"

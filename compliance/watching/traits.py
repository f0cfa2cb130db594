"""What may link players: a browser, a network address, a payment instrument, as keyed hashes.

Kept for rules alone. The address itself is nowhere here; the hash cannot be turned back without the
house's secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from django.db import connection
from django.utils.crypto import salted_hmac

from kernel.arrays import array_of
from kernel.ids import PlayerId

_SALT: Final = "compliance.traits"


class TraitKind(StrEnum):
    """What two accounts may have in common."""

    BROWSER = "browser"
    ADDRESS = "address"
    INSTRUMENT = "instrument"


def note(player_id: PlayerId, kind: TraitKind, values: Iterable[str]) -> None:
    """Count that the player was seen with ``values`` now. One statement; waits only for itself."""
    hashes = sorted({_hash(kind, value) for value in values if value})
    if not hashes:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_trait AS t (player_id, kind, value)"
            " SELECT %s, %s, value FROM unnest(%s::text::text[]) AS v(value)"
            " ON CONFLICT (player_id, kind, value) DO UPDATE SET last_at = clock_timestamp(),"
            " times = t.times + 1",
            [player_id, kind.value, array_of(hashes)],
        )


def _hash(kind: TraitKind, value: str) -> str:
    return salted_hmac(_SALT, f"{kind.value}|{value}", algorithm="sha256").hexdigest()[:32]

"""Who is screened: the facts about a player that lists are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import connection

from compliance.screening.matching import Person
from compliance.screening.names import normal
from kernel.ids import PlayerId

#: What is compared, as SQL over the people of the house. The digest names exactly these facts, so
#: that a changed name, date or country is screened again by itself.
_DIGEST: Final = (
    "encode(sha256(convert_to(u.name || '|' || p.date_of_birth || '|' || p.country, 'UTF8')),"
    " 'hex')"
)
_DUE_SQL: Final = f"""
SELECT p.user_id, {_DIGEST}, u.name, p.date_of_birth, p.country
FROM accounts_player p JOIN accounts_user u ON u.id = p.user_id
WHERE (%s::bigint[] IS NULL OR p.user_id = ANY (%s)) AND NOT EXISTS (
    SELECT FROM compliance_screening_check c
    WHERE c.player_id = p.user_id AND c.lists_digest = %s AND c.matcher = %s
      AND c.facts_digest = {_DIGEST})
ORDER BY u.name = '', p.user_id LIMIT %s
"""  # noqa: S608  (fixed words alone)


@dataclass(frozen=True, slots=True)
class Due:
    """A player whose present facts have not been compared with the present lists."""

    player_id: PlayerId
    facts_digest: str
    name: str
    born: date
    country: str

    def person(self) -> Person:
        """As it is compared."""
        return Person(normal(self.name), self.born, self.country)


def due(
    lists_digest: str, matcher: str, limit: int, only: Sequence[PlayerId] | None = None
) -> list[Due]:
    """Up to ``limit`` players without a check of these facts against these lists; those whose
    name is known first, then by number.
    """
    players = None if only is None else list(only)
    with connection.cursor() as cursor:
        cursor.execute(_DUE_SQL, [players, players, lists_digest, matcher, limit])
        return [Due(PlayerId(row[0]), *row[1:]) for row in cursor.fetchall()]

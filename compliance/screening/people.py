"""Who is screened: the names a player goes by, birth and country, as lists are compared with them.

A name stands on the account, or in what the player declared for the identity check, which is kept
encrypted; both are compared. Who is due is found set-based, by a digest that changes with account,
birth, country and each new declaration; what a hit hangs on is a digest of the plain facts, so that
the same name declared again raises nothing again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import connection

from compliance.kyc import declarations
from compliance.kyc.checks import NAME
from compliance.kyc.states import Subject
from compliance.screening.matching import Person
from compliance.screening.names import normal
from kernel.ids import PlayerId

logger = logging.getLogger(__name__)

_DECLARED: Final = (
    "coalesce((SELECT max(d.id::text) FROM compliance_kyc_declaration d"
    " WHERE d.player_id = p.user_id AND d.subject = 'identity'), '')"
)
#: What a check was made of. Ids of declarations grow with time: the newest one stands for all.
_DIGEST: Final = (
    "encode(sha256(convert_to(u.name || '|' || p.date_of_birth || '|' || p.country || '|' ||"
    f" {_DECLARED}, 'UTF8')), 'hex')"
)
_COLUMNS: Final = f"p.user_id, {_DIGEST}, u.name, p.date_of_birth, p.country, {_DECLARED} <> ''"
_FROM: Final = "FROM accounts_player p JOIN accounts_user u ON u.id = p.user_id"
_DUE_SQL: Final = f"""
SELECT {_COLUMNS} {_FROM}
WHERE p.user_id > %s AND (%s::bigint[] IS NULL OR p.user_id = ANY (%s)) AND NOT EXISTS (
    SELECT FROM compliance_screening_check c
    WHERE c.player_id = p.user_id AND c.lists_digest = %s AND c.matcher = %s
      AND c.facts_digest = {_DIGEST})
  AND (NOT %s OR NOT EXISTS (
    SELECT FROM compliance_screening_check c WHERE c.player_id = p.user_id))
  AND p.erased_at IS NULL AND NOT EXISTS (
    -- its comparisons were erased and its name goes next: a cleared hit would come back
    SELECT FROM backoffice_erasure_done e WHERE e.player_id = p.user_id AND e.class = 'screening')
ORDER BY p.user_id LIMIT %s
"""  # noqa: S608  (fixed words alone)
_NOW_SQL: Final = f"SELECT {_COLUMNS} {_FROM} WHERE p.user_id = %s"


@dataclass(frozen=True, slots=True)
class Due:
    """A player as compared now. ``names`` are those that are known, the account's first."""

    player_id: PlayerId
    check_digest: str
    names: tuple[str, ...]
    born: date
    country: str
    #: What the player declared cannot be read: the names are not all there are.
    is_unreadable: bool = False

    def persons(self) -> list[Person]:
        """One for each name that differs once normalised; none without a name."""
        known = {normal(name): None for name in self.names}
        return [Person(name, self.born, self.country) for name in known if name]

    @property
    def facts_digest(self) -> str:
        """Of the plain facts: another name, birth or country is somebody to be judged anew."""
        names = sorted(person.name.text for person in self.persons())
        text = "|".join([*names, self.born.isoformat(), self.country])
        return hashlib.sha256(text.encode()).hexdigest()


def due(
    lists_digest: str,
    matcher: str,
    limit: int,
    *,
    after: int = 0,
    is_new: bool = False,
    only: Sequence[PlayerId] | None = None,
) -> list[Due]:
    """Up to ``limit`` players numbered above ``after`` without a check of what they are now against
    these lists, by number; ``is_new``: those alone who were never compared with any.
    """
    players = None if only is None else list(only)
    with connection.cursor() as cursor:
        cursor.execute(_DUE_SQL, [after, players, players, lists_digest, matcher, is_new, limit])
        rows = cursor.fetchall()
    return [_due(*row) for row in rows]


def now(player_id: PlayerId) -> Due | None:
    """The player as they are; None for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW_SQL, [player_id])
        row = cursor.fetchone()
    return None if row is None else _due(*row)


def _due(
    player_id: int,
    digest: str,
    name: str,
    born: date,
    country: str,
    has_declared: bool,  # noqa: FBT001  (a column)
) -> Due:
    declared, is_unreadable = "", False
    if has_declared:
        try:
            fields, _ = declarations.latest(PlayerId(player_id), Subject.IDENTITY)
            declared = fields.get(NAME, "")
        except Exception:  # whatever is wrong with one declaration, the others go on
            logger.exception("declaration of player %s cannot be read", player_id)
            is_unreadable = True
    names = tuple(one for one in (name, declared) if one.strip())
    return Due(PlayerId(player_id), digest, names, born, country, is_unreadable)

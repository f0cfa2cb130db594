"""What is left of an excluded person after the erasure: digests that recognise them, no name.

A digest is an HMAC under the house's key over a date of birth and words of a name. It is made of
the whole name and of each two or more of its words, so that whoever comes back with a middle name
more or less is the same person, as in `matching.same_words`. A name that is only alike is not
recognised any more: that would take the name.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import combinations
from typing import Final

from django.conf import settings
from django.db import connection

from compliance.own_register.matching import WORDS_SHARED, Known, folded
from kernel.arrays import array_of_texts
from kernel.ids import PlayerId

#: Words of one name that are combined; six make 57 digests.
WORDS_MAX: Final = 6
_SALT: Final = b"faro-own-register-v1|"
#: One of the two names has all words of the other.
_RECOGNISED: Final = """
SELECT DISTINCT d.player_id FROM compliance_register_digest d
JOIN compliance_standing s ON s.player_id = d.player_id
WHERE (d.digest = ANY (%s::text::text[])
    OR (d.is_whole AND d.digest = ANY (%s::text::text[])))
  AND {in_force} ORDER BY d.player_id
"""


@dataclass(frozen=True, slots=True)
class Digest:
    """``is_whole``: of all words of a name, not of some of them."""

    value: str
    is_whole: bool


def keep(player_id: PlayerId, person: Known) -> int:
    """Write the person's digests, in the caller's transaction; returns how many. Repeatable."""
    found = {one.value: one for one in _of(person, settings.SECRET_KEY)}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO compliance_register_digest (player_id, digest, is_whole)"
            " VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [(player_id, one.value, one.is_whole) for one in found.values()],
        )
    return len(found)


def recognised(person: Known, in_force: str) -> list[PlayerId]:
    """Erased players whom the person is, among those of whom the SQL ``in_force`` says that their
    exclusion holds (``s`` is the standing). Older keys of the house are tried as well.
    """
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    found = [one for key in keys for one in _of(person, key)]
    sql = _RECOGNISED.format(in_force=in_force)
    whole = array_of_texts(one.value for one in found if one.is_whole)
    some = array_of_texts(one.value for one in found if not one.is_whole)
    with connection.cursor() as cursor:
        cursor.execute(sql, [whole, some])
        return [PlayerId(row[0]) for row in cursor.fetchall()]


def _of(person: Known, key: str) -> Iterator[Digest]:
    for name in person.names:
        words = sorted(folded(name))[:WORDS_MAX]
        if words:
            yield Digest(_digest(key, person.born, words), is_whole=True)
        for n in range(WORDS_SHARED, len(words)):
            for some in combinations(words, n):
                yield Digest(_digest(key, person.born, some), is_whole=False)


def _digest(key: str, born: date, words: Collection[str]) -> str:
    text = f"{born.isoformat()}|{' '.join(words)}".encode()
    return hmac.new(_SALT + key.encode(), text, sha256).hexdigest()

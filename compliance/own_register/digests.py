"""What is left of an excluded person after the erasure: digests that recognise them, no name.

A digest is an HMAC under the house's key over a date of birth and two words of a name; a name of
one word has one of that. Kept are all pairs of each name, so one name has all words of the other
exactly where all pairs of one of them are among the other's: whoever comes back with a middle name
more or less is the same person, as in `matching.same_words`. A name that is only alike is not
recognised any more: that would take the name.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator
from datetime import date
from hashlib import sha256
from itertools import combinations
from typing import Final

from django.conf import settings
from django.db import connection

from compliance.own_register.matching import WORDS_SHARED, Known, folded
from kernel.arrays import array_of_texts
from kernel.ids import PlayerId

_SALT: Final = b"faro-own-register-v1|"
#: An exclusion that lasts until the person comes back ends for who was erased, who cannot, with
#: these years after its first end (as LCCP 3.5.3 once had it; recalled). Also in `backoffice.0011`.
HELD_YEARS: Final = 7
#: All digests of the one name are among the other's, or the other way about.
_RECOGNISED: Final = """
SELECT DISTINCT d.player_id FROM compliance_register_digest d
JOIN compliance_standing s ON s.player_id = d.player_id
JOIN accounts_player p ON p.user_id = d.player_id
WHERE d.digest = ANY (%s::text::text[]) AND {in_force}
  AND (p.erased_at IS NULL
    OR s.excluded_until + make_interval(years => %s) > clock_timestamp())
GROUP BY d.player_id, d.name_no, d.of_name HAVING count(*) IN (d.of_name, %s)
ORDER BY d.player_id
"""


def keep(player_id: PlayerId, person: Known) -> int:
    """Write the person's digests, in the caller's transaction; returns how many. Repeatable."""
    rows = [
        (player_id, name_no, digest, len(found))
        for name_no, found in enumerate(_of(person, settings.SECRET_KEY), 1)
        for digest in found
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO compliance_register_digest (player_id, name_no, digest, of_name)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            rows,
        )
    return len(rows)


def recognised(person: Known, in_force: str) -> list[PlayerId]:
    """Erased players whom the person is, among those of whom the SQL ``in_force`` says that their
    exclusion holds (``s`` is the standing). Older keys of the house are tried as well.
    """
    sql, players = _RECOGNISED.format(in_force=in_force), set()
    with connection.cursor() as cursor:
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            for found in _of(person, key):
                cursor.execute(sql, [array_of_texts(found), HELD_YEARS, len(found)])
                players |= {PlayerId(row[0]) for row in cursor.fetchall()}
    return sorted(players)


def _of(person: Known, key: str) -> Iterator[list[str]]:
    """The digests of each name: of every pair of its words, or of its only word."""
    for name in person.names:
        words = sorted(folded(name))
        some = combinations(words, WORDS_SHARED) if len(words) > 1 else [words]
        found = [_digest(key, person.born, pair) for pair in some if pair]
        if found:
            yield found


def _digest(key: str, born: date, words: Collection[str]) -> str:
    text = f"{born.isoformat()}|{' '.join(words)}".encode()
    return hmac.new(_SALT + key.encode(), text, sha256).hexdigest()

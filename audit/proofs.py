"""A proof that one row is under one seal: for somebody who may see that row and no other.

One row, or all of many that somebody is handed: then each seal is opened once for all of them.

The audit path of RFC 9162 §2.1.3 from the row's leaf to the root that the seal signs. What checks
it is `python -m verify proof`, which needs this output and the public key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any, Final, TypeVar

from django.db import connection

from audit import merkle
from audit.seals import WINDOW, Seal, Source, opened, present_rows, sealed_rows

#: How long after a row was written its seal is looked for: first among the first few that an
#: ordinary run leaves, then as far as such a run looks back; what is missing then everywhere after.
SOON: Final = timedelta(hours=1)
FIRST_SEALS: Final = 3
LATE: Final = WINDOW + SOON
#: Rows whose seals are looked for by one statement.
ROWS_PER_SEARCH: Final = 2_000
_Item = TypeVar("_Item")
#: Seals whose leaves (320 kB at most) are held at once.
SEALS_AT_ONCE: Final = 50

#: Only the seals that can cover one of the rows are opened, each once.
_PLACES_SOON: Final = """
WITH w AS MATERIALIZED (
    SELECT * FROM unnest(%(keys)s::text[], %(ats)s::timestamptz[]) AS w (key, at)
), near AS MATERIALIZED (
    SELECT DISTINCT f.number FROM w CROSS JOIN LATERAL (
        SELECT s.number FROM audit_seal s
        WHERE s.source = %(source)s AND s.at >= w.at AND s.at <= w.at + %(soon)s
        ORDER BY s.at LIMIT %(first)s) f
)
SELECT u.key, s.number, u.place - 1
FROM near JOIN audit_seal s ON s.source = %(source)s AND s.number = near.number
CROSS JOIN LATERAL unnest(s.keys) WITH ORDINALITY AS u (key, place) JOIN w ON w.key = u.key
"""
_PLACES: Final = """
SELECT u.key, s.number, u.place - 1
FROM audit_seal s CROSS JOIN LATERAL unnest(s.keys) WITH ORDINALITY AS u (key, place)
JOIN unnest(%s::text[]) AS w (key) ON w.key = u.key
WHERE s.source = %s AND s.at >= %s AND s.at <= coalesce(%s::timestamptz, 'infinity')
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one row lies: under which seal of its source, as which leaf (from 0)."""

    key: str
    seal: int
    index: int


def prove(source: Source, key: str) -> dict[str, Any] | None:
    """The proof for the row ``key`` of ``source``; None where no seal covers it, or it is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM audit_seal WHERE source = %s AND %s = ANY(keys)",
            [source.name, key],
        )
        found = cursor.fetchone()
    if found is None:
        return None
    rows = list(sealed_rows(source, found[0]))
    index = next(place for place, row in enumerate(rows) if row[0] == key)
    present = rows[index][2]
    if present is None:
        return None
    seal, _leaves = opened(source.name, [found[0]])[found[0]]
    return {
        "v": 1,
        "source": source.name,
        "key": key,
        "row": present.decode(),
        "index": index,
        "path": [one.hex() for one in merkle.inclusion_proof(index, [row[1] for row in rows])],
        "seal": {"payload": seal.payload, "signature": seal.signature.hex()},
    }


def places(source: Source, rows: Iterable[tuple[str, datetime]]) -> Iterator[Place]:
    """Where each of ``rows`` (key, when it was written; in the order of time) is sealed.

    Rows that no seal covers yet are left out.
    """
    remaining = iter(rows)
    while piece := list(islice(remaining, ROWS_PER_SEARCH)):
        found = _places(source, piece)
        yield from (found[key] for key, _ in piece if key in found)


def prove_all(source: Source, rows: Iterable[tuple[str, datetime]]) -> Iterator[dict[str, Any]]:
    """The proof of each of ``rows`` (key, when it was written; in the order of time) that is sealed
    and still there, in the order of the seals of each piece; in the form of :func:`prove`."""
    remaining, trees = iter(rows), _Trees(source)
    while piece := list(islice(remaining, ROWS_PER_SEARCH)):
        found = sorted(_places(source, piece).values(), key=lambda one: (one.seal, one.index))
        between = (min(at for _, at in piece), max(at for _, at in piece))
        for some in _slices(found, source.rows_max or ROWS_PER_SEARCH):
            present = present_rows(source, [one.key for one in some], between)
            under = [list(group) for _, group in groupby(some, key=lambda one: one.seal)]
            for few in _slices(under, SEALS_AT_ONCE):
                trees.fetch([group[0].seal for group in few])
                for group in few:
                    yield from _prove_under(source, trees, group, present)


def _slices(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


class _Trees:
    """Seals with the trees over their leaves, each made once: the last one is kept for what comes
    next, since a busy source has thousands of rows under one seal."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._opened: dict[int, tuple[Seal, list[bytes]]] = {}
        self._last: tuple[int, list[list[bytes]]] = (0, [])

    def fetch(self, numbers: Sequence[int]) -> None:
        """From now on those of ``numbers`` are at hand, by one statement."""
        lacking = [one for one in numbers if one not in self._opened]
        kept = {one: self._opened[one] for one in numbers if one in self._opened}
        self._opened = kept | opened(self._source.name, lacking)

    def get(self, number: int) -> tuple[Seal, list[list[bytes]]]:
        seal, leaves = self._opened[number]
        if self._last[0] != number:
            self._last = (number, merkle.levels(leaves))
        return seal, self._last[1]


def _prove_under(
    source: Source, trees: _Trees, wanted: Sequence[Place], present: Mapping[str, bytes]
) -> Iterator[dict[str, Any]]:
    seal, tree = trees.get(wanted[0].seal)
    signed = {"payload": seal.payload, "signature": seal.signature.hex()}
    for one in wanted:
        row = present.get(one.key)
        if row is None:
            continue
        yield {
            "v": 1,
            "source": source.name,
            "key": one.key,
            "row": row.decode(),
            "index": one.index,
            "path": [node.hex() for node in merkle.path(one.index, tree)],
            "seal": signed,
        }


def _places(source: Source, rows: Sequence[tuple[str, datetime]]) -> Mapping[str, Place]:
    """The later searches begin at the oldest row that is still missing: rows written a moment ago,
    which no seal covers yet, cost no look at the seals of a day."""
    keys, ats = [key for key, _ in rows], [at for _, at in rows]
    found = _searched(
        _PLACES_SOON,
        {"keys": keys, "ats": ats, "source": source.name, "soon": SOON, "first": FIRST_SEALS},
    )
    for after in (LATE, None):
        missing = [(key, at) for key, at in rows if key not in found]
        if not missing:
            break
        since, last = min(at for _, at in missing), max(at for _, at in missing)
        until = None if after is None else last + after
        found |= _searched(_PLACES, [[key for key, _ in missing], source.name, since, until])
    return found


def _searched(sql: str, params: Any) -> dict[str, Place]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {key: Place(key, seal, index) for key, seal, index in cursor.fetchall()}

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
from typing import Any, Final

from django.db import connection

from audit import merkle
from audit.seals import WINDOW, Source, present_rows, sealed_leaves, sealed_rows, stored

#: How long after a row was written its seal is looked for: first where an ordinary run leaves it,
#: then as far as such a run looks back; what is missing then is looked for everywhere after it.
SOON: Final = timedelta(hours=1)
LATE: Final = WINDOW + SOON
#: Rows whose seals are looked for by one statement.
ROWS_PER_SEARCH: Final = 2_000

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
    seal = next(stored(source.name, found[0] - 1))
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
    """The proof of each of ``rows`` that is sealed and still there, in the order of the seals of
    each piece; in the form of :func:`prove`."""
    remaining = iter(rows)
    while piece := list(islice(remaining, ROWS_PER_SEARCH)):
        found = sorted(_places(source, piece).values(), key=lambda one: (one.seal, one.index))
        for number, under in groupby(found, key=lambda one: one.seal):
            yield from _prove_under(source, number, list(under))


def _prove_under(source: Source, number: int, wanted: Sequence[Place]) -> Iterator[dict[str, Any]]:
    leaves = sealed_leaves(source, number)
    present = present_rows(source, [one.key for one in wanted])
    seal = next(stored(source.name, number - 1))
    paths = merkle.inclusion_proofs([one.index for one in wanted], leaves)
    for one, (index, path) in zip(wanted, paths, strict=True):
        row = present.get(one.key)
        if row is None:
            continue
        yield {
            "v": 1,
            "source": source.name,
            "key": one.key,
            "row": row.decode(),
            "index": index,
            "path": [node.hex() for node in path],
            "seal": {"payload": seal.payload, "signature": seal.signature.hex()},
        }


def _places(source: Source, rows: Sequence[tuple[str, datetime]]) -> Mapping[str, Place]:
    found: dict[str, Place] = {}
    since, last = min(at for _, at in rows), max(at for _, at in rows)
    for until in (last + SOON, last + LATE, None):
        missing = [key for key, _ in rows if key not in found]
        if not missing:
            break
        with connection.cursor() as cursor:
            cursor.execute(_PLACES, [missing, source.name, since, until])
            found |= {key: Place(key, seal, index) for key, seal, index in cursor.fetchall()}
    return found

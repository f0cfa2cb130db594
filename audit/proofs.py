"""A proof that one row is under one seal: for somebody who may see that row and no other.

The audit path of RFC 9162 §2.1.3 from the row's leaf to the root that the seal signs. What checks
it is `python -m verify proof`, which needs this output and the public key.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from audit import merkle
from audit.seals import Source, sealed_rows, stored


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

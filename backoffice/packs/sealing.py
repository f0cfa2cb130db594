"""Proofs, seals and keys as files of a pack, in the forms that `python -m verify` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db import connection

from audit import proofs, seals
from audit.keys import public_key_pem
from audit.seals import Source
from backoffice.packs.writing import Basis, Lines

#: The numbers of the first and last seal that cover what was written in a time: those made in it,
#: and the next one, which may cover its last moments.
_COVERING: Final = """
SELECT min(number), max(number) FROM (
    SELECT number FROM audit_seal WHERE source = %(source)s AND at >= %(since)s AND at < %(until)s
    UNION ALL (SELECT number FROM audit_seal WHERE source = %(source)s AND at >= %(until)s
        AND at <= %(as_of)s ORDER BY number LIMIT 1)) found
"""


def proof_lines(source: Source, rows: Iterable[tuple[str, datetime]]) -> Iterator[bytes]:
    """A line for each of ``rows`` that is sealed; each line alone is what `verify proof` takes."""
    for proof in proofs.prove_all(source, rows):
        yield json.dumps(proof, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def seal_lines(source: Source, since: datetime, until: datetime, as_of: datetime) -> Lines:
    """The signed seals over what ``source`` wrote in a time, without a gap."""
    return Lines(
        f"seals/{source.name}.jsonl",
        f"Signed seals of {source.name} over the day, one a line, each naming the one before.",
        _lines(source, since, until, as_of),
    )


def keys() -> Lines:
    """The public keys: to compare with those taken from the house's page, not to be believed."""
    return Lines("keys.pem", "Public keys of the house's seals.", [public_key_pem()], Basis.STORED)


def _lines(source: Source, since: datetime, until: datetime, as_of: datetime) -> Iterator[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            _COVERING, {"source": source.name, "since": since, "until": until, "as_of": as_of}
        )
        first, last = cursor.fetchone()
    if first is None:
        return
    for seal in seals.stored(source.name, first - 1):
        if seal.number > last:
            return
        yield seal.line()

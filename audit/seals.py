"""Seals: signed, chained Merkle roots over rows that must never change.

Triggers stop the application; seals expose the owner. Each seal covers a batch of rows of one
source, gives them their final numbers (gapless, in the order of sealing), and names the seal before
it. A row that commits late simply falls into the next seal, so no order of commits can leave one
out (`docs/decisions/0050`). The same line goes to a file outside the database, to be carried to
places that the owner of the database cannot reach.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from audit import merkle
from audit.canonical import canonical, instant
from audit.database_clock import database_now
from audit.keys import SealKey, seal_key
from kernel.invariant import ensure

#: Rows under one seal: 480 kB of keys and hashes in its row at most.
BATCH_ROWS_MAX: Final = 10_000
#: Seals made by one run and source; the next run continues.
BATCHES_MAX: Final = 100
#: How far back an ordinary run looks for unsealed rows: far longer than a transaction can live
#: (jobs end after 300 s, statements after 30 s). The full run looks everywhere.
WINDOW: Final = timedelta(hours=24)
#: What is signed begins with these words, so that no signature serves for another purpose.
SEAL_CONTEXT: Final = b"faro-seal-v1\n"
NO_HASH: Final = "0" * 64


class Rank(IntEnum):
    """In which order sources are sealed and exported.

    A row that names rows of another source comes before it: what it names was committed earlier,
    so whoever seals or reads the other source afterwards finds it there.
    """

    REFERS = 1
    USUAL = 2


@dataclass(frozen=True, slots=True)
class Source:
    """One append-only stream of rows to seal.

    ``select`` is a SELECT without WHERE that yields ``key`` (text, unique), ``at`` (timestamptz,
    when the database wrote the row) and what ``canonical`` needs; ``by_keys`` is a condition with
    one placeholder for the list of keys. ``canonical`` turns a row into the bytes that are hashed
    and exported; it may never change for old rows, so it carries a version. ``rows_max`` bounds
    what one seal covers where a row is long (None: the usual bound).
    """

    name: str
    select: str
    by_keys: str
    canonical: Callable[[Mapping[str, Any]], bytes]
    rows_max: int | None = None
    rank: Rank = Rank.USUAL


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal as it is kept: the signed payload and what it covers."""

    source: str
    number: int
    at: datetime
    first_row: int
    row_count: int
    root: bytes
    payload: str
    signature: bytes

    def line(self) -> bytes:
        """The seal as outsiders get it, in exports and in the file beside the database."""
        return canonical({"payload": self.payload, "signature": self.signature.hex()}) + b"\n"


_sources: dict[str, Source] = {}
_COLUMNS: Final = "source, number, at, first_row, row_count, root, payload, signature"


def register_source(source: Source) -> Source:
    """Make ``source`` known to `manage.py seal`, `export_audit` and `check_seals`."""
    ensure(_sources.setdefault(source.name, source) == source, "one source per name")
    return source


def sources() -> list[Source]:
    """Every registered source in the order of sealing: by rank, then by name."""
    return sorted(_sources.values(), key=lambda source: (source.rank, source.name))


def seal(source: Source, *, everything: bool = False) -> list[Seal]:
    """Seal the rows of ``source`` that no seal covers yet, then write the file beside the database.

    ``everything`` looks beyond the last 24 hours for rows that were missed. Two runs at once wait
    for each other (a transaction-level advisory lock). Call it outside any transaction: each batch
    commits on its own.
    """
    ensure(not connection.in_atomic_block, "seals commit on their own", source=source.name)
    key = seal_key()
    made: list[Seal] = []
    for _ in range(BATCHES_MAX):
        batch = _seal_batch(source, key, everything=everything)
        if batch is None:
            break
        made.append(batch)
    write_file(source.name)
    return made


def stored(source: str, after: int = 0) -> Iterator[Seal]:
    """Seals of ``source`` with numbers above ``after``, in order."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM audit_seal WHERE source = %s AND number > %s"  # noqa: S608  (fixed words)
                " ORDER BY number LIMIT 500",
                [source, after],
            )
            rows = cursor.fetchall()
        for row in rows:
            yield _seal_of(row)
        if not rows:
            return
        after = rows[-1][1]


def unsealed(source: Source, since: datetime | None, limit: int) -> list[dict[str, Any]]:
    """Rows that no seal covers, oldest first: all of them, or those written from ``since`` on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH done AS MATERIALIZED (SELECT unnest(keys) AS key FROM audit_seal"  # noqa: S608  (SQL of a registered source)
            " WHERE source = %(source)s AND (%(all)s OR at >= %(start)s::timestamptz))"
            f" SELECT q.* FROM ({source.select}) q"
            " WHERE (%(all)s OR q.at >= %(start)s::timestamptz)"
            " AND NOT EXISTS (SELECT FROM done WHERE done.key = q.key)"
            ' ORDER BY q.at, q.key COLLATE "C" LIMIT %(limit)s',
            {"source": source.name, "all": since is None, "start": since, "limit": limit},
        )
        return _dicts(cursor)


def sealed_rows(source: Source, number: int) -> Iterator[tuple[str, bytes, bytes | None]]:
    """Key, sealed leaf hash and present bytes of each row under one seal; None where it is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT keys FROM audit_seal WHERE source = %s AND number = %s", [source.name, number]
        )
        keys = cursor.fetchone()[0]
    present = present_rows(source, keys)
    for key, leaf in zip(keys, sealed_leaves(source, number), strict=True):
        yield key, leaf, present.get(key)


def sealed_leaves(source: Source, number: int) -> list[bytes]:
    """The leaf hashes under one seal, in their order."""
    return opened(source.name, [number])[number][1]


def opened(source: str, numbers: list[int]) -> dict[int, tuple[Seal, list[bytes]]]:
    """Seals of ``source`` by number, each with the leaf hashes under it in their order."""
    if not numbers:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS}, leaves FROM audit_seal"  # noqa: S608  (fixed words)
            " WHERE source = %s AND number = ANY(%s::bigint[])",
            [source, numbers],
        )
        return {row[1]: (_seal_of(row[:-1]), _hashes(bytes(row[-1]))) for row in cursor.fetchall()}


def _hashes(leaves: bytes) -> list[bytes]:
    step = merkle.HASH_BYTES
    return [leaves[start : start + step] for start in range(0, len(leaves), step)]


def present_rows(
    source: Source, keys: list[str], between: tuple[datetime, datetime] | None = None
) -> dict[str, bytes]:
    """The rows of these keys that are there, each in the bytes that are sealed.

    ``between``: when the oldest and the newest of them was written, which spares the months of the
    record in which none can be.
    """
    sql, params = f"{source.select} WHERE {source.by_keys}", [keys, *(between or ())]
    if between is not None:
        sql = f"SELECT q.* FROM ({sql}) q WHERE q.at BETWEEN %s AND %s"  # noqa: S608  (a registered source's)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {row["key"]: source.canonical(row) for row in _dicts(cursor)}


def seals_file(source: str) -> Path:
    """Where the seals of ``source`` are kept outside the database."""
    return Path(settings.STATE_DIR) / "seals" / f"{source}.jsonl"


def write_file(source: str) -> int:
    """Append the seals that the file beside the database lacks; returns how many.

    A crash between commit and file is made good by the next run. A torn last line, left by a crash
    of the machine, is cut off and written again.
    """
    path = seals_file(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        file.truncate(len(whole))
        last = whole.splitlines()[-1] if whole else None
        after = 0 if last is None else int(json.loads(json.loads(last)["payload"])["number"])
        for item in stored(source, after):
            file.write(item.line())
            written += 1
        file.flush()
        os.fsync(file.fileno())
    return written


def _seal_batch(source: Source, key: SealKey, *, everything: bool) -> Seal | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('audit_seal'), hashtext(%s))", [source.name]
        )
        since = None if everything else database_now() - WINDOW
        rows = unsealed(source, since, source.rows_max or BATCH_ROWS_MAX)
        if not rows:
            return None
        leaves = [merkle.leaf_hash(source.canonical(row)) for row in rows]
        made = _sign(source.name, _last(source.name), leaves, key)
        cursor.execute(
            f"INSERT INTO audit_seal ({_COLUMNS}, keys, leaves)"  # noqa: S608  (fixed words)
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                made.source,
                made.number,
                made.at,
                made.first_row,
                made.row_count,
                made.root,
                made.payload,
                made.signature,
                [row["key"] for row in rows],
                b"".join(leaves),
            ],
        )
    return made


def _sign(source: str, last: Seal | None, leaves: list[bytes], key: SealKey) -> Seal:
    at, head = database_now(), merkle.root(leaves)
    number = 1 if last is None else last.number + 1
    first = 1 if last is None else last.first_row + last.row_count
    payload = canonical(
        {
            "v": 1,
            "source": source,
            "number": number,
            "at": instant(at),
            "first": first,
            "count": len(leaves),
            "root": head.hex(),
            "prev": NO_HASH if last is None else hashlib.sha256(last.payload.encode()).hexdigest(),
            "prev_root": NO_HASH if last is None else last.root.hex(),
            "key": key.key_id,
        }
    )
    signature = key.private.sign(SEAL_CONTEXT + payload)
    return Seal(source, number, at, first, len(leaves), head, payload.decode(), signature)


def _last(source: str) -> Seal | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM audit_seal WHERE source = %s ORDER BY number DESC LIMIT 1",  # noqa: S608  (fixed words)
            [source],
        )
        row = cursor.fetchone()
    return None if row is None else _seal_of(row)


def _seal_of(row: tuple[Any, ...]) -> Seal:
    source, number, at, first_row, row_count, head, payload, signature = row
    return Seal(source, number, at, first_row, row_count, bytes(head), payload, bytes(signature))


def _dicts(cursor: Any) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

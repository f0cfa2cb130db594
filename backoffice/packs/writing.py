"""Evidence packs as files: CSV that a spreadsheet opens safely, hashes of each, one list of all.

A pack is a ZIP whose files depend on nothing but what is stored, the instant as of which it was
asked, by whom and why: no time of making, no order of chance. Rows pass through one at a time, so
that a day of a million rows needs no more memory than an empty one.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import chain, islice
from typing import IO, Any, Final, cast

from django.db import connection

from audit.canonical import canonical, instant
from audit.keys import seal_key
from audit.one_view import TookTooLong, fetched
from audit.spreadsheet import NO_ACTIVITY, cell, csv_bytes
from kernel.clock import monotonic_ms
from kernel.invariant import ensure

FORMAT: Final = "faro-evidence-pack/1"
#: What is signed begins with these words, so that no signature serves for another purpose.
PACK_CONTEXT: Final = b"faro-pack-v1\n"
ROWS_PER_PIECE: Final = 500
#: So long a pack may take: while it is made its snapshot keeps the database from tidying up.
PACK_MS_MAX: Final = 15 * 60 * 1_000
#: The oldest date that a ZIP can say: the pack's own instant stands in its manifest.
_NO_DATE: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o644 << 16
_UNIX: Final = 3


class Basis(StrEnum):
    """How a file stands to the instant as of which the pack was asked."""

    #: Rows that never change, those written until that instant.
    CUT = "rows until the instant"
    #: What may change, as it was stored when the pack was made.
    STORED = "as stored when the pack was made"


@dataclass(frozen=True, slots=True)
class Table:
    """One CSV file: what it is about, each column in words, and its rows in their order."""

    name: str
    about: str
    columns: Sequence[tuple[str, str]]
    rows: Iterable[Sequence[object]]
    basis: Basis = Basis.CUT


@dataclass(frozen=True, slots=True)
class Lines:
    """One file of other lines: signed seals, proofs, a key, a document; each ends its line."""

    name: str
    about: str
    lines: Iterable[bytes]
    basis: Basis = Basis.CUT


Part = Table | Lines


@dataclass(frozen=True, slots=True)
class Facts:
    """What the manifest says of the pack as a whole. Plain values."""

    kind: str
    about: str
    as_of: datetime
    asked_by: str
    reason: str
    software: dict[str, str]
    left_out: Sequence[str] = ()
    more: dict[str, Any] = field(default_factory=dict)


def is_alone() -> bool:
    """Whether no other pack of the house is being made; until the snapshot's end nobody else is.

    A pack reads a day or a life: readers who ask for many at once would take the connections and
    the cores that players need.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('backoffice_pack'))")
        return bool(cursor.fetchone()[0])


def asked(
    name: str,
    about: str,
    columns: Sequence[tuple[str, str]],
    sql: str,
    params: dict[str, Any],
    basis: Basis = Basis.CUT,
) -> Table:
    """A table of what ``sql`` answers, fetched in pieces while it is written."""
    return Table(name, about, columns, _fetched(sql, params, len(columns)), basis)


def fetched_keys(sql: str, params: dict[str, Any]) -> Iterator[tuple[str, datetime]]:
    """Keys of sealed rows with when each was written, in the order of time."""
    for key, at in _fetched(sql, params, 2):
        yield cast(str, key), cast(datetime, at)


def write(out: IO[bytes], facts: Facts, parts: Iterable[Part]) -> str:
    """The pack into ``out``; returns the SHA-256 of its manifest, which names all that is in it.

    ``TookTooLong`` after `PACK_MS_MAX`.
    """
    listed: list[dict[str, Any]] = []
    until_ms = monotonic_ms() + PACK_MS_MAX
    told: list[str] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for part in parts:
            listed.append(_write_part(archive, part, until_ms))
            told.append(_told(part))
        readme = Lines("README.txt", "What each file and column is.", [_readme(facts, told)])
        listed.append(_write_part(archive, readme, until_ms))
        manifest = _manifest(facts, listed)
        digest = hashlib.sha256(manifest).hexdigest()
        _put(archive, "manifest.json", manifest)
        _put(archive, "manifest.signed.json", _signed(digest, facts))
        sums = [*listed, {"name": "manifest.json", "sha256": digest}]
        lines = "".join(f"{one['sha256']}  {one['name']}\n" for one in sums)
        _put(archive, "SHA256SUMS", lines.encode())
    return digest


def text(value: object) -> str | int:
    """A value as a cell: instants in UTC, amounts as whole numbers, JSON in one spelling."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return instant(value) if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, dict):
        return cell(canonical(value).decode())
    if isinstance(value, list | tuple):
        return cell(json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str))
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return cell(value)


def _fetched(sql: str, params: dict[str, Any], width: int) -> Iterator[Sequence[object]]:
    for row in fetched(sql, params):
        ensure(len(row) == width, "a column for each value", columns=width)
        yield row


def _write_part(archive: zipfile.ZipFile, part: Part, until_ms: int) -> dict[str, Any]:
    digest, size, rows = hashlib.sha256(), 0, 0
    pieces = _csv(part) if isinstance(part, Table) else ((line, 1) for line in part.lines)
    with archive.open(_entry(part.name), "w", force_zip64=True) as file:
        for piece, count in pieces:
            if monotonic_ms() > until_ms:
                raise TookTooLong
            digest.update(piece)
            file.write(piece)
            size, rows = size + len(piece), rows + count
    return {
        "name": part.name,
        "sha256": digest.hexdigest(),
        "bytes": size,
        "rows": rows,
        "basis": part.basis.value,
    }


def _csv(part: Table) -> Iterator[tuple[bytes, int]]:
    """The header, then rows in pieces with how many there are; a line that says so for none."""
    yield csv_bytes([[name for name, _ in part.columns]]), 0
    rows, is_empty = iter(part.rows), True
    while piece := list(islice(rows, ROWS_PER_PIECE)):
        is_empty = False
        yield csv_bytes([[text(value) for value in row] for row in piece]), len(piece)
    if is_empty:
        yield csv_bytes([[NO_ACTIVITY]]), 0


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_NO_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr, entry.create_system = _READABLE, _UNIX
    return entry


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(_entry(name), data)


def _manifest(facts: Facts, listed: list[dict[str, Any]]) -> bytes:
    said = {
        "format": FORMAT,
        "kind": facts.kind,
        "about": facts.about,
        "as_of": instant(facts.as_of),
        "asked_by": facts.asked_by,
        "reason": facts.reason,
        "software": facts.software,
        "left_out": list(facts.left_out),
        **facts.more,
        "files": listed,
    }
    return json.dumps(said, ensure_ascii=False, indent=1).encode() + b"\n"


def _signed(digest: str, facts: Facts) -> bytes:
    """The house's word that this manifest is its own, with the key of its seals."""
    key = seal_key()
    payload = canonical(
        {"v": 1, "kind": facts.kind, "about": facts.about, "as_of": instant(facts.as_of),
         "manifest": digest, "key": key.key_id}
    )  # fmt: skip
    signature = key.private.sign(PACK_CONTEXT + payload)
    return canonical({"payload": payload.decode(), "signature": signature.hex()}) + b"\n"


def _told(part: Part) -> str:
    head = f"{part.name}\n    {part.about} ({part.basis.value})\n"
    columns = part.columns if isinstance(part, Table) else ()
    return head + "".join(f"      {name}: {words}\n" for name, words in columns)


def _readme(facts: Facts, told: list[str]) -> bytes:
    left_out = "".join(f"Left out: {one}\n" for one in facts.left_out)
    head = f"""\
Evidence pack: {facts.about}
As of {instant(facts.as_of)}, asked for by {facts.asked_by}.
Why: {facts.reason}
{left_out}
Amounts are whole minor units (cents) of the currency beside them. Instants are in UTC. Empty cells
are facts that are not there. A cell that begins like a formula has an apostrophe before it. People
are numbers: player:17, staff:4. What staff wrote stands as they wrote it, whomever
it names.

Is it as it was made?
    sha256sum -c SHA256SUMS
Is it the house's, and what of it is under a seal? With the house's program for outsiders, and a
public key that you did not take from here:
    python -m verify pack FOLDER --public-key keys.pem
manifest.json says who asked, why, as of when, and each file's hash and rows. Asked again with the
same words as of the same instant, files of "{Basis.CUT.value}" have the same bytes; of
"{Basis.STORED.value}", unless something was added since.

Files
=====
"""
    return "".join(chain([head], told)).encode()

"""Loading a list: read whole, kept as a version, and made the active one in the same transaction.

A file that is refused changes nothing but a row that says so: the list before stays active. What
was loaded is named by the SHA-256 of its files; the same bytes again are ``LIST_UNCHANGED``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, Final
from uuid import UUID

from django.db import connection, transaction

from accounts.rights import check_right
from audit.record import Subject, record, register
from compliance.screening.entries import NO_PEOPLE, Entry, ListCode
from compliance.screening.formats import CHUNK, lacks_end_mark, read_general, read_ofac
from kernel.arrays import array_of_texts
from kernel.ids import Actor, new_id
from kernel.refusal import Refused

WORK: Final = "compliance.work_screening"
#: A list that loses more than a tenth at once is taken for a broken one (proposal of the house).
KEPT_LEAST_PERCENT: Final = 90
#: What of a list is counted, and may not lose more than that.
COUNTED: Final = ("entries", "names", "births", "countries", "people")
_SIZES_SQL: Final = (
    "SELECT count(*), coalesce(sum(cardinality(names)), 0), coalesce(sum(cardinality(births)), 0),"
    " coalesce(sum(cardinality(countries)), 0), count(*) FILTER (WHERE kind <> ALL (%s))"
    " FROM compliance_screening_entry"
)
_MEMBERS: Final = "SELECT entry_id FROM compliance_screening_member WHERE list_id = %s"
BATCH: Final = 1_000
NOTE_MAX: Final = 400
#: The files of the OFAC format, in the order in which they are hashed.
OFAC_FILES: Final = ("sdn.csv", "alt.csv", "add.csv")
#: One load at a time: two would read the same list before.
_LOAD_LOCK: Final = 6_000_006

LOADED: Final = register("screening.list_loaded", "Screening list loaded and active")
REFUSED: Final = register("screening.list_refused", "Screening list refused")
_SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Version:
    """One loaded list."""

    id: UUID
    source: str
    format: str
    sha256: str
    bytes: int
    entries: int
    names: int
    loaded_by: str
    loaded_at: datetime
    note: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Loading:
    """What is to be loaded. ``files`` by name: `OFAC_FILES`, or one of any name for ``csv``.

    ``sha256`` is what the sender says the files hash to, in their order, with spaces between.
    ``expected`` is how many entries the sender says there are (0: not said). ``shrunk_because``
    lets a list through that lost more than a tenth: the officer's reason, kept with the version.
    """

    source: str
    format: str
    files: Mapping[str, BinaryIO]
    sha256: str = ""
    expected: int = 0
    shrunk_because: str = ""


def load(loading: Loading, *, actor: Actor) -> Version:
    """Make the files the active list of their source, or refuse with a ``ListCode``.

    Refuses with ``NOT_ALLOWED`` without the right. A refusal is recorded with its code.
    """
    check_right(actor, WORK)
    if not _SOURCE.fullmatch(loading.source):
        raise Refused(ListCode.BAD_SOURCE)
    digest = ""
    try:
        digest, size = _digest(loading)
        with transaction.atomic():
            return _load(loading, digest, size, actor)
    except Refused as refused:
        if refused.code is not ListCode.UNCHANGED:
            _note_refusal(loading.source, digest, refused, actor)
        raise


def _digest(loading: Loading) -> tuple[str, int]:
    """SHA-256 of the files' own and their bytes. Refuses with ``WRONG_DIGEST``, and ``CUT_OFF``
    where nothing says that a file of the OFAC format is whole: neither its mark nor its digest.
    """
    whole, size, said = hashlib.sha256(), 0, loading.sha256.lower().replace(",", " ").split()
    for place, name in enumerate(_names(loading)):
        one = hashlib.sha256()
        file = loading.files[name]
        file.seek(0)
        while chunk := file.read(CHUNK):
            one.update(chunk)
            size += len(chunk)
        if place < len(said):
            if said[place] != one.hexdigest():
                raise Refused(ListCode.WRONG_DIGEST, file=name)
        elif size and loading.format == "ofac" and lacks_end_mark(file):
            raise Refused(ListCode.CUT_OFF, file=name)
        whole.update(one.digest())
    return whole.hexdigest(), size


def _names(loading: Loading) -> list[str]:
    if loading.format == "ofac":
        missing = [name for name in OFAC_FILES if name not in loading.files]
        if missing:
            raise Refused(ListCode.MISSING_FILE, file=missing[0])
        return list(OFAC_FILES)
    if loading.format != "csv":
        raise Refused(ListCode.UNKNOWN_FORMAT)
    if len(loading.files) != 1:
        raise Refused(ListCode.MISSING_FILE, file="list.csv")
    return list(loading.files)


def _entries(loading: Loading) -> Iterator[Entry]:
    files = loading.files
    if loading.format == "ofac":
        return read_ofac(files["sdn.csv"], files["alt.csv"], files["add.csv"])
    return read_general(next(iter(files.values())))


def _load(loading: Loading, digest: str, size: int, actor: Actor) -> Version:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOAD_LOCK])
    before = active().get(loading.source)
    if before is not None and before.sha256 == digest:
        raise Refused(ListCode.UNCHANGED)
    list_id = new_id()
    _stage()
    for batch in _batches(_entries(loading)):
        _keep(loading.source, batch)
    now = _sizes("SELECT entry_id FROM screening_staged", [])
    entries, names = now["entries"], now["names"]
    if not entries:
        raise Refused(ListCode.EMPTY)
    if loading.expected and entries != loading.expected:
        raise Refused(ListCode.WRONG_COUNT, expected=loading.expected, now=entries)
    if before is None:
        if loading.format == "csv" and not loading.sha256 and not loading.expected:
            raise Refused(ListCode.UNCONFIRMED, now=entries)
    elif not loading.shrunk_because.strip():
        _refuse_shrunk(before, now)
    _switch(loading, list_id, (digest, size, entries, names), actor)
    record(
        LOADED,
        actor=actor,
        subject=Subject("screening_list", loading.source),
        component="compliance",
        before=None if before is None else {"sha256": before.sha256, "entries": before.entries},
        after={"sha256": digest, **now},
        reason=loading.shrunk_because.strip()[:NOTE_MAX],
    )
    return active()[loading.source]


def _sizes(which: str, params: list[Any]) -> dict[str, int]:
    """What the entries of ``which`` come to. ``people``: those that players are compared with."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_SIZES_SQL} WHERE id IN ({which})", [list(NO_PEOPLE), *params])
        return dict(zip(COUNTED, (int(one) for one in cursor.fetchone()), strict=True))


def _refuse_shrunk(before: Version, now: Mapping[str, int]) -> None:
    """Whatever was cut: entries, names, births, countries, people."""
    was = _sizes(_MEMBERS, [before.id])
    for what in COUNTED:
        if now[what] * 100 < was[what] * KEPT_LEAST_PERCENT:
            raise Refused(ListCode.SHRANK, what=what, before=was[what], now=now[what])


def people(list_id: UUID) -> int:
    """With how many entries of a version players are compared."""
    return _sizes(_MEMBERS, [list_id])["people"]


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _stage() -> None:
    """Where the ids of this version's entries are gathered until the version has its row."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE screening_staged (entry_id bigint) ON COMMIT DROP")


def _keep(source: str, batch: list[Entry]) -> None:
    """The entries' rows, where they are not there yet, and their ids among the staged ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH given AS (SELECT * FROM jsonb_to_recordset(%s::jsonb) AS g(ref text, digest text,"
            " kind text, names text[], births text[], countries text[], programme text)),"
            " fresh AS (INSERT INTO compliance_screening_entry (source, ref, digest, kind, names,"
            " births, countries, programme) SELECT %s, ref, digest, kind, names, births, countries,"
            " programme FROM given ON CONFLICT DO NOTHING RETURNING id, ref, digest)"
            " INSERT INTO screening_staged SELECT id FROM fresh UNION ALL"
            " SELECT e.id FROM given JOIN compliance_screening_entry e"
            " ON e.source = %s AND e.ref = given.ref AND e.digest = given.digest",
            [json.dumps([_row(one) for one in batch]), source, source],
        )


def _row(one: Entry) -> dict[str, Any]:
    return {
        "ref": one.ref,
        "digest": one.digest,
        "kind": one.kind,
        "names": list(one.names),
        "births": list(one.births),
        "countries": list(one.countries),
        "programme": one.programme,
    }


def _switch(
    loading: Loading, list_id: UUID, facts: tuple[str, int, int, int], actor: Actor
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_screening_list (id, source, format, sha256, bytes, entries,"
            " names, loaded_by, note) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(list_id, loading.source, loading.format, *facts, str(actor)),
                loading.shrunk_because.strip()[:NOTE_MAX],
            ],
        )
        cursor.execute(
            "INSERT INTO compliance_screening_member SELECT %s, entry_id FROM screening_staged",
            [list_id],
        )
        cursor.execute("DROP TABLE screening_staged")
        cursor.execute(
            "INSERT INTO compliance_screening_active (source, list_id) VALUES (%s, %s)"
            " ON CONFLICT (source) DO UPDATE SET list_id = excluded.list_id,"
            " since = clock_timestamp()",
            [loading.source, list_id],
        )


def _note_refusal(source: str, digest: str, refused: Refused, actor: Actor) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_screening_refused (id, source, sha256, code, data, loaded_by)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [new_id(), source, digest, str(refused.code), json.dumps(refused.data), str(actor)],
        )
        record(
            REFUSED,
            actor=actor,
            subject=Subject("screening_list", source),
            component="compliance",
            after={"code": str(refused.code), "sha256": digest, **refused.data},
        )


_VERSIONS_SQL: Final = """
SELECT l.id, l.source, l.format, l.sha256, l.bytes, l.entries, l.names, l.loaded_by, l.loaded_at,
       l.note, a.list_id IS NOT NULL
FROM compliance_screening_list l LEFT JOIN compliance_screening_active a ON a.list_id = l.id
"""


def active() -> dict[str, Version]:
    """The list in force of each source, by source."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_VERSIONS_SQL} WHERE a.list_id IS NOT NULL ORDER BY l.source")
        return {row[1]: Version(*row) for row in cursor.fetchall()}


def versions(limit: int = 50) -> list[Version]:
    """What was loaded, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_VERSIONS_SQL} ORDER BY l.loaded_at DESC LIMIT %s", [limit])
        return [Version(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class RefusedLoad:
    """A file that did not become a list."""

    at: datetime
    source: str
    code: str
    sha256: str
    loaded_by: str


def refused(limit: int = 20) -> list[RefusedLoad]:
    """Loads that were refused, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, source, code, sha256, loaded_by FROM compliance_screening_refused"
            " ORDER BY at DESC LIMIT %s",
            [limit],
        )
        return [RefusedLoad(*row) for row in cursor.fetchall()]


def entries_of(list_ids: Iterable[UUID]) -> Iterator[tuple[int, UUID, Entry]]:
    """Entries of these versions with their row's id and the version, streamed in batches."""
    ids = array_of_texts(str(one) for one in list_ids)
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.id, m.list_id, e.ref, e.kind, e.names, e.births, e.countries, e.programme"
                " FROM compliance_screening_member m JOIN compliance_screening_entry e"
                " ON e.id = m.entry_id WHERE m.list_id = ANY (%s::text::uuid[]) AND e.id > %s"
                " ORDER BY e.id LIMIT %s",
                [ids, after, BATCH],
            )
            rows = cursor.fetchall()
        for row in rows:
            yield (
                row[0],
                row[1],
                Entry(row[2], row[3], tuple(row[4]), tuple(row[5]), tuple(row[6]), row[7]),
            )
        if len(rows) < BATCH:
            return
        after = rows[-1][0]

"""Bytes that no document answers for: what a killed process left, found by looking at the storage.

A file is stored before its row is written, and is taken out after its row says so: whoever dies in
between leaves bytes without a key, or with one and against what the row promises. They are looked
for once an hour, shard by shard, once they are old enough to be nobody's work. What a row says is
gone is deleted. What has no row is moved aside first and deleted days later: a database that was
restored, or a copy of it that names the same storage, has no rows of what was handed in since.
Where that is much, it is left where it is, and the run fails for somebody to look.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from audit.database_clock import database_now
from compliance.kyc import vault
from compliance.kyc.models import KycDocument
from kernel.invariant import ensure

log = structlog.get_logger(__name__)

#: A form is answered, and a scanner's answer written, within minutes.
OLD_ENOUGH: Final = timedelta(hours=1)
#: Aside so long: who restored an older database has noticed by then.
KEPT_ASIDE: Final = timedelta(days=14)
#: Killed processes leave a few: more documents than this without a row, and more than one in ten
#: of those that a run saw, are another database's.
FEW: Final = 20
SHARE: Final = 10
BUDGET_S: Final = 30
_MS_BITS: Final = 80


def sweep(budget_s: float = BUDGET_S) -> int:
    """Delete what a row says is gone, move aside what has none; returns how many parts.

    Begins at another shard each hour; a run that ends with its time leaves the rest to the next
    ones. Raises ``InvariantBroken``, having moved nothing, where too much has no row.
    """
    until, now = time.monotonic() + budget_s, database_now()
    first = int(now.timestamp()) // 3_600
    gone, seen, nobodys = 0, 0, list[UUID]()
    for n in range(vault.SHARDS):
        if time.monotonic() > until:
            break
        old = _old((first + n) % vault.SHARDS, now)
        rows = {row.pk: row for row in KycDocument.objects.filter(pk__in=old)}
        seen += len(old)
        nobodys += [one for one in old if one not in rows]
        gone += sum(_drop_strays(row) for row in rows.values())
    ensure(
        len(nobodys) <= max(FEW, seen // SHARE),
        "stored documents have rows: is this another database's storage, or an older database?",
        without=len(nobodys),
        seen=seen,
    )
    moved = sum(vault.set_aside(document, now.date()) for document in nobodys)
    vault.drop_aside_before((now - KEPT_ASIDE).date())
    if gone or moved:
        log.warning("stray_documents", deleted=gone, moved_aside=moved)
    return gone + moved


def _old(shard: int, now: datetime) -> list[UUID]:
    return [one for one in vault.documents_in(shard) if now - _stored_at(one) > OLD_ENOUGH]


def _drop_strays(row: KycDocument) -> int:
    several = _strays(row.pk, row)
    for part in several:
        vault.drop(row.pk, part)
    return len(several)


def _strays(document: UUID, row: KycDocument) -> list[int]:
    """The parts that should not be there."""
    if row.destroyed_at is not None:
        return vault.parts_of(document)
    if row.is_original_kept:
        return []
    return [vault.ORIGINAL] if vault.has(document, vault.ORIGINAL) else []


def _stored_at(document: UUID) -> datetime:
    """When its id was made: the first 48 bits of a UUID of version 7 are milliseconds."""
    return datetime.fromtimestamp((document.int >> _MS_BITS) / 1_000, tz=UTC)

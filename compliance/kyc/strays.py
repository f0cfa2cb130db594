"""Bytes that no document answers for: what a killed process left, found by looking at the storage.

A file is stored before its row is written, and is taken out after its row says so: whoever dies in
between leaves bytes without a key, or with one and against what the row promises. They are looked
for once an hour, shard by shard, and deleted once they are old enough to be nobody's work.
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

log = structlog.get_logger(__name__)

#: A form is answered, and a scanner's answer written, within minutes.
OLD_ENOUGH: Final = timedelta(hours=1)
BUDGET_S: Final = 30
_MS_BITS: Final = 80


def sweep(budget_s: float = BUDGET_S) -> int:
    """Delete what is nobody's; returns how many parts. Begins at another shard each hour.

    A run that ends with its time leaves the rest to the next ones.
    """
    until, now = time.monotonic() + budget_s, database_now()
    first = int(now.timestamp()) // 3_600
    gone = 0
    for n in range(vault.SHARDS):
        if time.monotonic() > until:
            break
        gone += _sweep_shard((first + n) % vault.SHARDS, now)
    if gone:
        log.warning("stray_documents_deleted", parts=gone)
    return gone


def _sweep_shard(shard: int, now: datetime) -> int:
    old = [one for one in vault.documents_in(shard) if now - _stored_at(one) > OLD_ENOUGH]
    rows = {row.pk: row for row in KycDocument.objects.filter(pk__in=old)}
    gone = 0
    for document in old:
        for part in _strays(document, rows.get(document)):
            vault.drop(document, part)
            gone += 1
        if document not in rows:
            vault.drop_place(document)
    return gone


def _strays(document: UUID, row: KycDocument | None) -> list[int]:
    """The parts that should not be there."""
    if row is None or row.destroyed_at is not None:
        return vault.parts_of(document)
    if row.is_original_kept:
        return []
    return [vault.ORIGINAL] if vault.has(document, vault.ORIGINAL) else []


def _stored_at(document: UUID) -> datetime:
    """When its id was made: the first 48 bits of a UUID of version 7 are milliseconds."""
    return datetime.fromtimestamp((document.int >> _MS_BITS) / 1_000, tz=UTC)

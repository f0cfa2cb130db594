"""A file that came: looked at, scanned, drawn anew, stored encrypted. No transaction is open here.

What a file must not be is judged by `file_guard`, `pictures` draws it anew; the scanner's
"unknown" keeps the original, encrypted and in quarantine, until it answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import connection

from compliance.kyc import file_guard, pictures, scanning, vault
from compliance.kyc.file_guard import FileCode, Media
from compliance.kyc.models import KycDocument
from compliance.kyc.scanning import Scan, Verdict
from compliance.kyc.states import Kind, Subject
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused

#: In one form; a form is held in memory while it is read.
FILES_MAX: Final = 8
FORM_BYTES_MAX: Final = 40 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """One file as it came. ``content`` is None where it was larger than may be read.

    ``is_form_full``: not because of its own size, but of what came before it in the form.
    """

    kind: Kind
    content: bytes | None
    is_form_full: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """One file that was not taken, and why."""

    kind: Kind
    code: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """One file that lies in the vault, not yet in the books."""

    id: UUID
    kind: Kind
    media: Media
    size_bytes: int
    sha256: str
    pages: list[dict[str, Any]]
    scan: Scan
    key: vault.Key


@dataclass(slots=True)
class Received:
    """What came of a form's files."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def forget(self) -> None:
        """Take back what was stored: the books were not written."""
        for one in self.taken:
            _drop(one)


def fingerprint(subject: Subject, files: Sequence[Given], fields: dict[str, str]) -> str:
    """What a form says, as one hash: the same key with another is another form."""
    parts = [subject.value, json.dumps(fields, sort_keys=True)]
    parts += [f"{one.kind}:{hashlib.sha256(one.content or b'').hexdigest()}" for one in files]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def receive(files: Sequence[Given]) -> Received:
    """Each file for itself: one refused file takes none of the others with it."""
    received = Received()
    try:
        for one in files:
            try:
                received.taken.append(_take(one))
            except Refused as refused:
                received.refused.append(Refusal(one.kind, str(refused.code), dict(refused.data)))
    except BaseException:
        received.forget()
        raise
    return received


def _take(given: Given) -> Taken:
    if given.is_form_full:
        raise Refused(FileCode.FORM_FULL, mb_max=FORM_BYTES_MAX // (1024 * 1024))
    if given.content is None:
        raise Refused(FileCode.TOO_LARGE, mb_max=file_guard.BYTES_MAX // (1024 * 1024))
    media = file_guard.media_of(given.content)
    scan = scanning.scanner().scan(given.content)
    if scan.verdict is Verdict.INFECTED:
        raise Refused(FileCode.INFECTED)
    pages = pictures.pages_of(given.content, media)
    key = vault.new_key(new_id())
    taken = Taken(
        id=key.document,
        kind=given.kind,
        media=media,
        size_bytes=len(given.content),
        sha256=hashlib.sha256(given.content).hexdigest(),
        pages=[
            {
                "bytes": len(page.jpeg),
                "width": page.width,
                "height": page.height,
                "sha256": hashlib.sha256(page.jpeg).hexdigest(),
            }
            for page in pages
        ],
        scan=scan,
        key=key,
    )
    try:
        for number, page in enumerate(pages, start=1):
            vault.put(key, number, page.jpeg)
        if scan.verdict is Verdict.UNKNOWN:
            vault.put(key, vault.ORIGINAL, given.content)
    except BaseException:
        _drop(taken)
        raise
    return taken


def _drop(taken: Taken) -> None:
    for part in range(len(taken.pages) + 1):
        vault.drop(taken.id, part)


_INSERT: Final = """
INSERT INTO compliance_kyc_document (id, player_id, subject, attempt, kind, upload_id, media,
    size_bytes, sha256, pages, person_key, wrapped_key, scan, scan_detail, is_original_kept)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def write_down(
    taken: Taken, player_id: PlayerId, subject: Subject, attempt: int, upload: UUID
) -> None:
    """The document's row, its key under the player's. In the caller's transaction."""
    sealed = vault.wrap(taken.key, int(player_id))
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                taken.id,
                player_id,
                subject.value,
                attempt,
                taken.kind.value,
                upload,
                taken.media.value,
                taken.size_bytes,
                taken.sha256,
                json.dumps(taken.pages),
                sealed.key_id,
                sealed.data,
                taken.scan.verdict.value,
                taken.scan.detail[:300],
                taken.scan.verdict is Verdict.UNKNOWN,
            ],
        )


def is_known_elsewhere(player_id: PlayerId, hashes: Sequence[str]) -> bool:
    """Whether another account sent one of these files, byte for byte."""
    return KycDocument.objects.filter(sha256__in=hashes).exclude(player_id=player_id).exists()

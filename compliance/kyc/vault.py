"""Documents at rest: encrypted in pieces under a key of their own, outside every web root.

A document's key (AES-256-GCM) is kept encrypted under its player's key (`audit.personal_keys`):
erasing the person, or the document alone, makes the bytes unreadable wherever copies of them are.
Each piece is bound to document, part, place and whether it is the last, so pieces that are swapped,
cut off or moved do not open. Where the bytes lie is Django's storage named ``documents``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import IO, Any, Final, cast
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.files.base import File
from django.core.files.storage import Storage, storages

from audit.keys import KEY_BYTES
from audit.personal_keys import Encrypted, decrypt_bytes, encrypt_bytes
from kernel.invariant import InvariantBroken, ensure

STORAGE: Final = "documents"
#: The original, kept only while a scanner has not judged it; pages count from 1.
ORIGINAL: Final = 0
PIECE_BYTES: Final = 64 * 1024
#: Places by the last two digits of documents' ids.
SHARDS: Final = 256
#: Where parts of documents without a row lie by day, until they are deleted.
ASIDE: Final = "aside"
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TAG_BYTES: Final = 16
_HEAD: Final = b"FARODOC1"
_HEX: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Key:
    """A document's key in clear; never stored, logged or shown."""

    document: UUID
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.document})"


def new_key(document: UUID) -> Key:
    """A fresh key for one document."""
    return Key(document, os.urandom(KEY_BYTES))


def wrap(key: Key, player_id: int) -> Encrypted:
    """The key as it is stored: under its player's key. In the caller's transaction."""
    return encrypt_bytes(player_id, key.secret, binding=_binding(key.document))


def unwrap(document: UUID, player_id: int, sealed: Encrypted) -> Key:
    """The key again; refuses with ``ERASED``."""
    return Key(document, decrypt_bytes(player_id, sealed, binding=_binding(document)))


def _binding(document: UUID) -> str:
    return f"kyc-document|{document}"


def put(key: Key, part: int, content: bytes) -> None:
    """Store one part, encrypted piece by piece. Once per part: the storage must not have it."""
    name = name_of(key.document, part)
    sealing = cast(IO[Any], _Sealing(key, part, BytesIO(content)))
    stored = _storage().save(name, File(sealing, name=name))
    ensure(stored == name, "a document's part is stored once", name=name)


def get(key: Key, part: int) -> Iterator[bytes]:
    """The part in clear, piece by piece; ``InvariantBroken`` where it is not what was stored."""
    with _storage().open(name_of(key.document, part), "rb") as file:
        if file.read(len(_HEAD)) != _HEAD:
            raise InvariantBroken("a stored document has our head", document=str(key.document))
        cipher, place = AESGCM(key.secret), 0
        ahead = file.read(PIECE_BYTES + _TAG_BYTES)
        while True:
            piece, ahead = ahead, file.read(PIECE_BYTES + _TAG_BYTES)
            try:
                yield cipher.decrypt(
                    _nonce(part, place, is_last=not ahead), piece, _place(key, part)
                )
            except InvalidTag:
                raise InvariantBroken(
                    "a stored document opens with its key", document=str(key.document), part=part
                ) from None
            if not ahead:
                return
            place += 1


def drop(document: UUID, part: int) -> None:
    """Delete a part; harmless when it is gone."""
    _storage().delete(name_of(document, part))


def has(document: UUID, part: int) -> bool:
    """Whether a part is stored."""
    return bool(_storage().exists(name_of(document, part)))


def documents_in(shard: int) -> list[UUID]:
    """Documents of which something is stored in one of `SHARDS`; nothing else that lies there."""
    return [UUID(name) for name in _names(f"{shard:02x}") if _HEX.fullmatch(name)]


def parts_of(document: UUID) -> list[int]:
    """Numbers of the parts of a document that are stored."""
    names = _names(name_of(document, ORIGINAL).rpartition("/")[0])
    return sorted(int(name) for name in names if name.isdecimal())


def drop_place(document: UUID) -> None:
    """Take away the place where an empty document's parts were; harmless when it is gone."""
    _storage().delete(name_of(document, ORIGINAL).rpartition("/")[0])


def set_aside(document: UUID, on: date) -> int:
    """Move every part of a document to where no document is looked for; returns how many.

    A part that is aside already, since a process died while it moved it, is not copied again.
    """
    parts = parts_of(document)
    for part in parts:
        name, there = name_of(document, part), f"{ASIDE}/{on.isoformat()}/{document.hex}/{part}"
        if not _storage().exists(there):
            with _storage().open(name, "rb") as file:
                _storage().save(there, file)
        _storage().delete(name)
    drop_place(document)
    return len(parts)


def drop_aside_before(day: date) -> int:
    """Delete what was set aside before ``day``; returns how many parts."""
    gone = 0
    for name in _names(ASIDE):
        if not _DAY.fullmatch(name) or date.fromisoformat(name) >= day:
            continue
        for document in _names(f"{ASIDE}/{name}"):
            for part in _names(f"{ASIDE}/{name}/{document}"):
                _storage().delete(f"{ASIDE}/{name}/{document}/{part}")
                gone += 1
            _storage().delete(f"{ASIDE}/{name}/{document}")
        _storage().delete(f"{ASIDE}/{name}")
    return gone


def _names(place: str) -> list[str]:
    """What lies directly in a place: of a storage that knows folders, and of one that does not."""
    try:
        folders, files = _storage().listdir(place)
    except FileNotFoundError:
        return []
    return [*folders, *files]


def name_of(document: UUID, part: int) -> str:
    """Where a part lies: nothing of a person in it."""
    return f"{document.hex[-2:]}/{document.hex}/{part}"


def _storage() -> Storage:
    return storages[STORAGE]


def _place(key: Key, part: int) -> bytes:
    return f"faro-document-v1|{key.document}|{part}".encode()


def _nonce(part: int, place: int, *, is_last: bool) -> bytes:
    """96 bits, never twice under one key: part, place, and whether it is the last piece."""
    return part.to_bytes(3, "big") + place.to_bytes(8, "big") + bytes([is_last])


class _Sealing:
    """A file that reads as the encrypted form of another; a storage may ask in any sizes."""

    def __init__(self, key: Key, part: int, plain: IO[bytes]) -> None:
        self._key, self._part, self._plain = key, part, plain
        self._rewind()

    def _rewind(self) -> None:
        self._plain.seek(0)
        self._cipher = AESGCM(self._key.secret)
        self._waiting, self._place, self._at = _HEAD, 0, 0
        self._ahead: bytes | None = self._plain.read(PIECE_BYTES)

    def read(self, size: int = -1) -> bytes:
        while self._ahead is not None and (size < 0 or len(self._waiting) < size):
            piece, following = self._ahead, self._plain.read(PIECE_BYTES)
            nonce = _nonce(self._part, self._place, is_last=not following)
            self._waiting += self._cipher.encrypt(nonce, piece, _place(self._key, self._part))
            self._place += 1
            self._ahead = following or None
        taken = self._waiting if size < 0 else self._waiting[:size]
        self._waiting = self._waiting[len(taken) :]
        self._at += len(taken)
        return taken

    def seek(self, offset: int, whence: int = 0) -> int:
        """Storages rewind before they read, and nothing else."""
        ensure((offset, whence) in {(0, 0), (0, 2)}, "a document is read from its beginning")
        if whence == 0:
            self._rewind()
            return 0
        return self.size

    def tell(self) -> int:
        return self._at

    @property
    def size(self) -> int:
        """Bytes of the encrypted form."""
        at = self._plain.tell()
        plain = self._plain.seek(0, 2)
        self._plain.seek(at)
        pieces = max(1, -(-plain // PIECE_BYTES))
        return len(_HEAD) + plain + pieces * _TAG_BYTES

"""Keys of devices that somebody has from elsewhere, as what the keys of an export are held against.

Nothing sealed can say that a key was in the device when it was enrolled. Who was given the keys at
the studio, and not by the export, can: a key of the export that they were not given is a finding.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from verify.findings import Code, Finding, Unusable
from verify.observations import KEYS, Key

_RAW_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Given:
    """What a file says of one key: whose it is, and its raw 32 bytes."""

    device: str
    public: bytes


def given_keys(path: Path) -> dict[str, Given]:
    """The keys of a file by name: a line for each, with name, device and the key in base64.

    Empty lines and lines that begin with ``#`` say nothing. Raises ``Unusable`` where the file
    cannot be read, has another line, no key at all, or one name twice.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}") from error
    found: dict[str, Given] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        public = _opened(words[2]) if len(words) == 3 else None
        if public is None:
            raise Unusable(f"{path} line {number} is not a key's name, its device and the key")
        if words[0] in found:
            raise Unusable(f"{path} line {number} names {words[0]} again")
        found[words[0]] = Given(words[1], public)
    if not found:
        raise Unusable(f"{path} names no key")
    return found


def compare(keys: Sequence[Key], given: dict[str, Given]) -> Iterator[Finding]:
    """A finding for each key of the export that was not given so: by another name, device, bytes.

    A given key that the export has not is none: a device may be new, or of another house.
    """
    for key in keys:
        known = given.get(key.name)
        if known is None:
            wrong = "is not among the keys that were given"
        elif known.device != key.device:
            wrong = f"was given as one of {known.device}"
        elif known.public != _opened(key.public):
            wrong = "is another one than was given"
        else:
            continue
        detail = f"the key {key.name} of {key.device} {wrong}"
        yield Finding(KEYS, Code.DEVICE_KEY_FOREIGN, detail, key.row)


def _opened(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if len(raw) == _RAW_BYTES else None

"""Lists of seals that were kept: one signed line each, in one file per source or all in one.

Found in ``var/seals/``, on the page `/seals/`, with a witness, and in exports. A list may have gaps
(somebody noted one seal a month), but its numbers only rise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.findings import Code, Finding, Spoiled, Unusable
from verify.signed import SEAL_CONTEXT, open_signed

#: A seal's line is under 1 KB; a longer one is none.
LINE_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Kept:
    """One seal of a list: its line as it was kept, and what it says."""

    number: int
    line: bytes
    head: str
    payload: dict[str, Any]


def files(place: Path) -> dict[str, Path]:
    """The list of each source at ``place``: a file, a folder of files, or an export.

    ``Unusable`` where there is none, or where two files are about one source.
    """
    if place.is_dir():
        found = [*sorted(place.glob("*.jsonl")), *sorted(place.glob("*/seals.jsonl"))]
    else:
        found = [place]
    lists: dict[str, Path] = {}
    for path in found:
        source = _source_of(path)
        if source is None:
            continue
        if source in lists:
            raise Unusable(f"{lists[source]} and {path} are both about {source}")
        lists[source] = path
    if not lists:
        raise Unusable(f"{place} holds no seal")
    return lists


def read(path: Path, source: str, keys: dict[str, Ed25519PublicKey], name: str) -> Iterator[Kept]:
    """Seals of a list, one at a time; ``Spoiled`` at the first line that is none of ``source``.

    ``name`` says in findings which list it is.
    """
    last = 0
    for line in _lines(path):
        place = Finding(source, Code.UNREADABLE, "", seal=last + 1)
        try:
            payload, head = open_signed(line, SEAL_CONTEXT, keys, place)
        except Spoiled as spoiled:
            found = spoiled.finding
            raise Spoiled(replace(found, detail=f"{name}: {found.detail}")) from spoiled
        number = payload.get("number")
        if payload.get("source") != source or type(number) is not int:
            raise Spoiled(replace(place, detail=f"{name} has here what is no seal of this source"))
        if number <= last:
            detail = f"{name} has seal {number} after seal {last}"
            raise Spoiled(Finding(source, Code.BROKEN_CHAIN, detail, seal=number))
        last = number
        yield Kept(number, line, head, payload)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while line := stream.readline(LINE_BYTES_MAX):
                yield line.removesuffix(b"\n")
    except OSError as error:
        raise Unusable(str(error)) from error


def _source_of(path: Path) -> str | None:
    """Which source the first line is about; None for an empty file."""
    line = next(_lines(path), None)
    if line is None:
        return None
    try:
        return str(json.loads(json.loads(line)["payload"])["source"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unusable(f"{path} is no list of seals: {error}") from error

"""An export as a folder: its signed list of contents and, per source, rows, hashes and seals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.findings import Code, Finding, Spoiled, Unusable
from verify.signed import EXPORT_CONTEXT, open_signed

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")

#: How the line of a row begins that was sealed and is not in the database any more.
MISSING: Final = b'{"missing":'


@dataclass(frozen=True, slots=True)
class Listed:
    """What the manifest says that one source contains."""

    name: str
    rows: int
    seals: int
    head: str


@dataclass(frozen=True, slots=True)
class Export:
    """One export, its keys, copies of seals that were kept elsewhere, and what is part of it.

    A source that the signed list of contents does not name has no rows, whatever lies in a folder
    of its name: nobody signed it.
    """

    folder: Path
    keys: dict[str, Ed25519PublicKey]
    anchors: dict[str, dict[int, bytes]]
    names: frozenset[str]

    def made_at(self) -> datetime:
        """When the export was made, as its signed list of contents says."""
        try:
            outer = json.loads(self._read(self.folder / "manifest.json"))
            return datetime.fromisoformat(json.loads(outer["payload"])["at"])
        except (ValueError, KeyError, TypeError) as error:
            detail = f"the manifest has no date: {error}"
            raise Spoiled(Finding("manifest", Code.UNREADABLE, detail)) from error

    def manifest(self) -> list[Listed]:
        """The signed list of contents; ``Spoiled`` when it is not what was signed."""
        place = Finding("manifest", Code.UNREADABLE, "")
        text = self._read(self.folder / "manifest.json")
        if not text.endswith(b"\n") or b"\n" in text[:-1]:
            raise Spoiled(Finding("manifest", Code.NOT_CANONICAL, "the manifest is one line"))
        payload, _ = open_signed(text[:-1], EXPORT_CONTEXT, self.keys, place)
        return [_listed(name, facts) for name, facts in sorted(payload["sources"].items())]

    def lines(self, source: str, file: str) -> Iterator[bytes]:
        """Lines of one file, without their ends; ``Spoiled`` when the last one has none."""
        return (line for _, line in self.placed(source, file))

    def rows(self, source: str) -> Iterator[tuple[int, bytes]]:
        """The rows that are there, each with its number.

        One that is gone has a line that says so, which `verify.seals` names.
        """
        return ((row, line) for row, _, line in self.placed_rows(source))

    def placed_rows(self, source: str) -> Iterator[tuple[int, int, bytes]]:
        """The same, each with the place where it begins in the file too."""
        for row, (start, line) in enumerate(self.placed(source, "rows.jsonl"), 1):
            if not line.startswith(MISSING):
                yield row, start, line

    def placed(self, source: str, file: str) -> Iterator[tuple[int, bytes]]:
        """Lines of one file, each with the place where it begins."""
        start = 0
        with self.opened(source, file) as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    detail = f"{file} ends in the middle of a line"
                    raise Spoiled(Finding(source, Code.UNREADABLE, detail))
                yield start, line[:-1]
                start += len(line)

    def opened(self, source: str, file: str) -> BinaryIO:
        """One file, for whoever reads a line again at its place; empty where it is not listed."""
        if source not in self.names:
            return BytesIO()
        try:
            return (self.folder / source / file).open("rb")
        except OSError as error:
            raise Unusable(str(error)) from error

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise Unusable(str(error)) from error


def _listed(name: str, facts: dict[str, Any]) -> Listed:
    if not _NAME.match(name):
        raise Spoiled(Finding("manifest", Code.UNREADABLE, "a source has an impossible name"))
    return Listed(name, int(facts["rows"]), int(facts["seals"]), str(facts["head"]))

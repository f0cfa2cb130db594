"""An outsider's own copy of the seals: it only grows, and takes no line that contradicts it.

One file per source, one signed line per seal, from the first one on. A line is on the disk before
it is said to be taken. A signed line that contradicts what is here (another seal of a number that
is taken, or one that does not continue the last) is refused and kept beside it: it is evidence.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from array import array
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.chain import Chain
from verify.findings import Code, Finding, Spoiled, Unusable
from verify.kept import LINE_BYTES_MAX
from verify.signed import SEAL_CONTEXT, open_signed

EVIDENCE: Final = "contradictions.jsonl"
#: Enough to prove it; nobody fills the disk with one and the same lie.
EVIDENCE_BYTES_MAX: Final = 1_000_000
#: Sources that a stranger without a key could not name anyway; a bound all the same.
SOURCES_MAX: Final = 100
_SOURCE: Final = re.compile(r"^[a-z][a-z0-9_]{0,40}$")


@dataclass(frozen=True, slots=True)
class Taken:
    """One seal that is in the store: since now, or since earlier."""

    source: str
    number: int
    head: str
    is_new: bool


@dataclass(slots=True)
class _List:
    """One source: its file, the chain so far, and where each line begins."""

    file: BinaryIO
    chain: Chain
    starts: array[int] = field(default_factory=lambda: array("Q"))


class Store(AbstractContextManager["Store"]):
    """The copy in one folder. Usable by several threads; only one process may have it open."""

    def __init__(self, folder: Path, keys: dict[str, Ed25519PublicKey]) -> None:
        """Reads and checks all that is there; ``Spoiled`` if it is not what was kept."""
        self._folder, self._keys = folder, keys
        self._lists: dict[str, _List] = {}
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._guard = (folder / ".lock").open("wb")
        except OSError as error:
            raise Unusable(f"{folder}: {error}") from error
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in sorted(folder.glob("*.jsonl")):
                if path.name != EVIDENCE:
                    self._load(path)
        except OSError as error:
            self.close()
            raise Unusable(f"{folder}: {error}") from error
        except Spoiled:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for one in self._lists.values():
            one.file.close()
        self._guard.close()

    def heads(self) -> dict[str, Chain]:
        """The chain of each source as it stands."""
        with self._lock:
            return {source: one.chain for source, one in self._lists.items()}

    def path(self, source: str) -> Path | None:
        """The file of ``source``; None where nothing is kept of it."""
        return self._folder / f"{source}.jsonl" if source in self._lists else None

    def take(self, line: bytes) -> Taken:
        """Keep ``line`` (without its end); ``Spoiled`` where it is not signed or contradicts.

        What is here already is taken again without a trace.
        """
        place = Finding("?", Code.UNREADABLE, "")
        if len(line) > LINE_BYTES_MAX:
            raise Spoiled(Finding("?", Code.UNREADABLE, "longer than any seal"))
        payload, head = open_signed(line, SEAL_CONTEXT, self._keys, place)
        source, number = payload.get("source"), payload.get("number")
        if not isinstance(source, str) or not _SOURCE.match(source) or type(number) is not int:
            raise Spoiled(Finding("?", Code.UNREADABLE, "is no seal"))
        with self._lock:
            known = self._lists.get(source)
            chain = known.chain if known else Chain(source)
            if number > chain.number + 1:
                detail = f"seal {chain.number + 1} is wanted first"
                raise Spoiled(Finding(source, Code.SEAL_MISSING, detail, seal=number))
            try:
                if 0 < number <= chain.number:
                    self._same(source, number, line)
                    return Taken(source, number, head, is_new=False)
                longer = chain.then(payload, head)
            except Spoiled:
                self._keep_evidence(line)
                raise
            self._append(source, line, longer)
        return Taken(source, number, head, is_new=True)

    def _same(self, source: str, number: int, line: bytes) -> None:
        one = self._lists[source]
        one.file.seek(one.starts[number - 1])
        if one.file.readline() != line + b"\n":
            detail = "another seal of this number was taken before: two histories are signed"
            raise Spoiled(Finding(source, Code.FORKED, detail, seal=number))

    def _append(self, source: str, line: bytes, chain: Chain) -> None:
        one = self._lists.get(source)
        if one is None:
            if len(self._lists) >= SOURCES_MAX:
                raise Spoiled(Finding(source, Code.UNREADABLE, "too many sources"))
            path = self._folder / f"{source}.jsonl"
            one = _List(path.open("a+b"), Chain(source))
        start = one.file.seek(0, os.SEEK_END)
        one.file.write(line + b"\n")
        one.file.flush()
        os.fsync(one.file.fileno())
        one.starts.append(start)
        one.chain = chain
        self._lists[source] = one

    def _load(self, path: Path) -> None:
        source = path.stem
        one = self._lists[source] = _List(path.open("a+b"), Chain(source))
        one.file.seek(0)
        start = 0
        for line in iter(lambda: one.file.readline(LINE_BYTES_MAX), b""):
            if not line.endswith(b"\n"):
                one.file.truncate(start)  # torn by a crash, and so never answered for
                break
            place = Finding(source, Code.UNREADABLE, "", seal=one.chain.number + 1)
            payload, head = open_signed(line[:-1], SEAL_CONTEXT, self._keys, place)
            one.chain = one.chain.then(payload, head)
            one.starts.append(start)
            start += len(line)

    def _keep_evidence(self, line: bytes) -> None:
        path = self._folder / EVIDENCE
        before = path.read_bytes() if path.exists() else b""
        if line + b"\n" in before or len(before) + len(line) > EVIDENCE_BYTES_MAX:
            return
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())


def heads_as_json(store: Store) -> bytes:
    """Number, head and date of the newest seal of each source."""
    told = {
        source: {
            "number": chain.number,
            "head": chain.head,
            "at": None if chain.at is None else chain.at.isoformat(),
        }
        for source, chain in store.heads().items()
    }
    return json.dumps({"sources": told}, sort_keys=True).encode() + b"\n"

"""The check of an evidence pack: every file as it was listed, the list as the house signed it, and
each row with a proof under the seal that it names.

Then the tables are held against what is proved: a round or an event that stands otherwise in a
table than in its sealed row is named, and so is what is sealed and not shown. Rows without a proof
are the house's word alone, and are counted as such. Files are read a line at a time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.anchors import Anchors
from verify.chain import Chain
from verify.findings import Code, Finding, Spoiled, Unusable
from verify.pack_rows import VIEWS, Sealed, View, compare
from verify.proof import check_line
from verify.signed import PACK_CONTEXT, SEAL_CONTEXT, load_keys, one_spelling, open_signed

MANIFEST: Final = "manifest.json"
SIGNED: Final = "manifest.signed.json"
#: What no list names: the list itself, its signature, and the sums that name both.
UNLISTED: Final = frozenset({MANIFEST, SIGNED, "SHA256SUMS"})
_NAME: Final = re.compile(r"^(?:[a-z_]+/)?[A-Za-z_]+\.[a-z]+$")
CHUNK_BYTES: Final = 1 << 16
MANIFEST_BYTES_MAX: Final = 1 << 20
FIELD_BYTES_MAX: Final = 1 << 24
#: What a table without rows says in its first cell.
NO_ACTIVITY: Final = "No activity"


@dataclass(slots=True)
class Checked:
    """What was found: how many files and proofs, and what is wrong."""

    about: str = ""
    as_of: str = ""
    kind: str = ""
    left_out: list[str] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    proved: dict[str, int] = field(default_factory=dict)
    #: Rows of each table that shows sealed rows which no proof is about.
    unproved: dict[str, int] = field(default_factory=dict)
    #: Of the seals of the pack those found in kept lists, and the others; None without lists.
    anchored: tuple[int, int] | None = None
    seals: int = 0
    findings: list[Finding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": not self.findings,
            "about": self.about,
            "as_of": self.as_of,
            "files": self.files,
            "rows": self.rows,
            "left_out": self.left_out,
            "proved": self.proved,
            "unproved": self.unproved,
            "anchored": None if self.anchored is None else list(self.anchored),
            "seals": self.seals,
            "findings": [one.as_dict() for one in self.findings],
        }

    def words(self) -> list[str]:
        said = [f"{self.about}, as of {self.as_of}: {self.files} files, {self.rows} rows"]
        said += [f"{source}: {count} rows proved" for source, count in sorted(self.proved.items())]
        said += [
            f"{table}: {count} rows without a proof, the house's word alone"
            for table, count in sorted(self.unproved.items())
            if count
        ]
        said += [f"left out: {one}" for one in self.left_out]
        if self.anchored is not None:
            met, others = self.anchored
            said.append(f"{met} seals are those that were kept; {others} were not kept")
        if self.seals:
            said.append(f"{self.seals} seals, each continuing the one before it")
        return [*said, "DOES NOT HOLD" if self.findings else "everything holds"]


class _Files:
    """The files of a pack, in a ZIP or in a folder."""

    def __init__(self, place: Path) -> None:
        try:
            self._zip = None if place.is_dir() else zipfile.ZipFile(place)
        except (OSError, zipfile.BadZipFile) as error:
            raise Unusable(f"{place} is no pack: {error}") from error
        self._place = place

    def names(self) -> set[str]:
        if self._zip is not None:
            return {one for one in self._zip.namelist() if not one.endswith("/")}
        found = (one for one in self._place.rglob("*") if one.is_file())
        return {one.relative_to(self._place).as_posix() for one in found}

    def twice(self) -> list[str]:
        """Names that stand twice in the ZIP: of such a file each program reads another one."""
        counts = Counter([] if self._zip is None else self._zip.namelist())
        return sorted(name for name, count in counts.items() if count > 1)

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        opened = self._place.joinpath(name).open("rb") if self._zip is None else None
        with opened or self._zip_file(name) as file:
            yield file

    def _zip_file(self, name: str) -> IO[bytes]:
        if self._zip is None:
            raise Unusable(f"{name}: no ZIP")
        return self._zip.open(name)


@dataclass(slots=True)
class _Known:
    """What the proofs told so far, and what they are held against."""

    keys: dict[str, Ed25519PublicKey]
    anchors: Anchors
    sealed: Sealed
    proved: set[tuple[str, int]] = field(default_factory=set)


def check_pack(place: Path, public_key: Path, anchors: Sequence[Path] = ()) -> Checked:
    """What holds of the pack and what not; ``Unusable`` where there is none to look at.

    ``anchors``: lists of seals that were kept (`verify fetch`), which the pack's must be.
    """
    keys, files = load_keys(public_key), _Files(place)
    checked = Checked()
    names = files.names()
    if not {MANIFEST, SIGNED} <= names:
        raise Unusable(f"{place} is no pack: it has no {MANIFEST} or no {SIGNED}")
    try:
        listed = _manifest(files, keys, checked)
        _check_files(files, names, listed, checked)
        kept = Anchors(anchors, keys)
        known = _Known(keys, kept, Sealed(frozenset(v.kind for v in VIEWS if v.file in names)))
        for name in sorted(listed):
            if name in names and name.startswith("proofs/"):
                _check_proofs(files, name, known, checked)
            if name in names and name.startswith("seals/"):
                _check_seals(files, name, known, checked)
        csv.field_size_limit(FIELD_BYTES_MAX)
        _check_tables(files, names & listed.keys(), known, checked)
    except Spoiled as spoiled:  # of a kept list
        checked.findings.append(spoiled.finding)
        return checked
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise Unusable(f"{place} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise Unusable(f"{place} has a table that is none: {error!r}") from error
    if kept.are_given:
        checked.anchored = (len(kept.met), len(kept.not_met))
    return checked


def _manifest(
    files: _Files, keys: dict[str, Ed25519PublicKey], checked: Checked
) -> dict[str, dict[str, Any]]:
    with files.opened(MANIFEST) as file:
        text = file.read(MANIFEST_BYTES_MAX)
    with files.opened(SIGNED) as file:
        line = file.read(MANIFEST_BYTES_MAX).removesuffix(b"\n")
    try:
        payload, _ = open_signed(line, PACK_CONTEXT, keys, Finding(SIGNED, Code.UNREADABLE, ""))
        if payload["manifest"] != hashlib.sha256(text).hexdigest():
            detail = "is not the list that the house signed"
            checked.findings.append(Finding(MANIFEST, Code.FILE_CHANGED, detail))
    except Spoiled as spoiled:
        checked.findings.append(spoiled.finding)
    except KeyError as error:
        raise Unusable(f"{SIGNED} names no manifest") from error
    try:
        said = json.loads(text)
        checked.about, checked.as_of = str(said["about"]), str(said["as_of"])
        checked.kind, checked.left_out = str(said["kind"]), [str(one) for one in said["left_out"]]
        return {_name(one["name"]): one for one in said["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Unusable(f"{MANIFEST} is no list of files: {error!r}") from error


def _name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.match(name):
        raise Unusable(f"{MANIFEST} lists an impossible name: {name!r}")
    return name


def _check_files(
    files: _Files, names: set[str], listed: dict[str, dict[str, Any]], checked: Checked
) -> None:
    for name in files.twice():
        checked.findings.append(Finding(name, Code.FILE_TWICE, "stands twice in the ZIP"))
    for name in sorted(names - listed.keys() - UNLISTED):
        checked.findings.append(Finding(name, Code.FILE_EXTRA, "is in no list of the pack"))
    for name, said in listed.items():
        if name not in names:
            checked.findings.append(Finding(name, Code.FILE_MISSING, "is listed and not there"))
            continue
        digest = hashlib.sha256()
        with files.opened(name) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        if digest.hexdigest() != said.get("sha256"):
            checked.findings.append(Finding(name, Code.FILE_CHANGED, "is not what was listed"))
        checked.files += 1
        checked.rows += int(said.get("rows") or 0)


def _check_proofs(files: _Files, name: str, known: _Known, checked: Checked) -> None:
    """Each line alone: its row under its seal, in the file of its source, and once."""
    with files.opened(name) as file:
        for number, line in enumerate(file, 1):
            findings = check_line(line, known.keys, f"{name} line {number}")
            checked.findings += findings
            if findings:
                continue
            told = json.loads(line)
            source, seal = str(told["source"]), json.loads(told["seal"]["payload"])
            place = seal["first"] + int(told["index"])
            if source != Path(name).stem:
                detail = f"is a proof of {source}"
                checked.findings.append(Finding(name, Code.PROOF_MISPLACED, detail, row=number))
            if (source, place) in known.proved:
                detail = "is proved on an earlier line"
                checked.findings.append(Finding(name, Code.PROOF_TWICE, detail, row=number))
                continue
            known.proved.add((source, place))
            checked.proved[source] = checked.proved.get(source, 0) + 1
            differs = known.anchors.check(source, seal["number"], one_spelling(told["seal"]))
            if differs is not None and differs not in checked.findings:
                checked.findings.append(differs)
            try:
                known.sealed.add(source, json.loads(told["row"]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Unusable(f"{name} line {number} is no row of {source}: {error!r}") from error


def _check_tables(files: _Files, names: set[str], known: _Known, checked: Checked) -> None:
    """What tables show against what is proved. Only where the pack has proofs of the source."""
    is_whole = checked.kind != "round" or not checked.left_out
    for view in VIEWS:
        if view.file not in names or f"proofs/{view.source}.jsonl" not in names:
            continue
        unproved = 0
        with files.opened(view.file) as raw:
            rows = _parts(raw, view) if view.part else _lines(raw)
            for found in compare(view, rows, known.sealed, is_whole=is_whole):
                unproved += found is None
                checked.findings += [] if found is None else [found]
        if not view.part:
            checked.unproved[view.file] = unproved


def _lines(raw: IO[bytes]) -> Iterator[dict[str, Any]]:
    with io.TextIOWrapper(raw, "utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if next(iter(row.values())) != NO_ACTIVITY or len(set(row.values()) - {None}) > 1:
                yield row


def _parts(raw: IO[bytes], view: View) -> Iterator[dict[str, Any]]:
    found = json.load(raw)[view.part]
    yield from (found if isinstance(found, list) else [found])


def _check_seals(files: _Files, name: str, known: _Known, checked: Checked) -> None:
    """Signatures, that each continues the one before it, and is the one that was kept."""
    source = Path(name).stem
    chain: Chain | None = None
    try:
        with files.opened(name) as file:
            for line in file:
                following = None if chain is None else chain.number + 1
                place = Finding(source, Code.UNREADABLE, "", seal=following)
                payload, head = open_signed(
                    line.removesuffix(b"\n"), SEAL_CONTEXT, known.keys, place
                )
                chain = (chain or Chain.before(source, payload)).then(payload, head)
                checked.seals += 1
                differs = known.anchors.check(source, chain.number, line.removesuffix(b"\n"))
                if differs is not None and differs not in checked.findings:
                    checked.findings.append(differs)
    except Spoiled as spoiled:
        checked.findings.append(spoiled.finding)

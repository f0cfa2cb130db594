"""The check of an evidence pack: every file as it was listed, the list as the house signed it, and
each row with a proof under the seal that it names.

Then the tables are held against what is proved: a round or an event that stands otherwise in a
table than in its sealed row is named. Rows without a proof are the house's word alone, and are
counted as such. Files are read a line at a time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.chain import Chain
from verify.findings import Code, Finding, Spoiled, Unusable
from verify.proof import check_line
from verify.signed import PACK_CONTEXT, SEAL_CONTEXT, load_keys, open_signed

MANIFEST: Final = "manifest.json"
SIGNED: Final = "manifest.signed.json"
#: What no list names: the list itself, its signature, and the sums that name both.
UNLISTED: Final = frozenset({MANIFEST, SIGNED, "SHA256SUMS"})
_NAME: Final = re.compile(r"^(?:[a-z_]+/)?[A-Za-z_]+\.[a-z]+$")
CHUNK_BYTES: Final = 1 << 16
MANIFEST_BYTES_MAX: Final = 1 << 20

#: The tables that show sealed rows: what a line is found by, and which column is which field.
SHOWN: Final[dict[str, tuple[tuple[str, ...], str, dict[str, str]]]] = {
    "rounds": (
        ("rounds.csv",),
        "round",
        {"table": "table", "number": "number", "phase": "phase", "result": "result"},
    ),
    "audit": (("record.csv", "staff_acts.csv"), "id", {"at": "at", "what": "kind"}),
}


@dataclass(slots=True)
class Checked:
    """What was found: how many files and proofs, and what is wrong."""

    about: str = ""
    as_of: str = ""
    files: int = 0
    rows: int = 0
    proved: dict[str, int] = field(default_factory=dict)
    seals: int = 0
    findings: list[Finding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": not self.findings,
            "about": self.about,
            "as_of": self.as_of,
            "files": self.files,
            "rows": self.rows,
            "proved": self.proved,
            "seals": self.seals,
            "findings": [one.as_dict() for one in self.findings],
        }

    def words(self) -> list[str]:
        said = [f"{self.about}, as of {self.as_of}: {self.files} files, {self.rows} rows"]
        said += [f"{source}: {count} rows proved" for source, count in sorted(self.proved.items())]
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

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        opened = self._place.joinpath(name).open("rb") if self._zip is None else None
        with opened or self._zip_file(name) as file:
            yield file

    def _zip_file(self, name: str) -> IO[bytes]:
        if self._zip is None:
            raise Unusable(f"{name}: no ZIP")
        return self._zip.open(name)


def check_pack(place: Path, public_key: Path) -> Checked:
    """What holds of the pack and what not; ``Unusable`` where there is none to look at."""
    keys, files = load_keys(public_key), _Files(place)
    checked = Checked()
    names = files.names()
    if not {MANIFEST, SIGNED} <= names:
        raise Unusable(f"{place} is no pack: it has no {MANIFEST} or no {SIGNED}")
    try:
        listed = _manifest(files, keys, checked)
        _check_files(files, names, listed, checked)
        for name in sorted(listed):
            if name in names and name.startswith("proofs/"):
                _check_proofs(files, name, keys, checked)
            if name in names and name.startswith("seals/"):
                _check_seals(files, name, keys, checked)
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise Unusable(f"{place} cannot be read: {error}") from error
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


def _check_proofs(
    files: _Files, name: str, keys: dict[str, Ed25519PublicKey], checked: Checked
) -> None:
    """Each line alone; then the tables against what their rows are proved to say."""
    sealed: dict[str, dict[str, str]] = {}
    with files.opened(name) as file:
        for number, line in enumerate(file, 1):
            findings = check_line(line, keys, f"{name} line {number}")
            checked.findings += findings
            if findings:
                continue
            told = json.loads(line)
            source = str(told["source"])
            checked.proved[source] = checked.proved.get(source, 0) + 1
            if source in SHOWN:
                row = json.loads(told["row"])
                key = f"{row['round']} {row['version']}" if source == "rounds" else str(row["id"])
                sealed[key] = _fields(row, SHOWN[source][2])
    source = Path(name).stem
    if source in SHOWN and sealed:
        _check_tables(files, source, sealed, checked)


def _fields(row: dict[str, Any], columns: dict[str, str]) -> dict[str, str]:
    found = {column: row.get(of) for column, of in columns.items()}
    return {column: "" if value is None else str(value) for column, value in found.items()}


def _check_tables(
    files: _Files, source: str, sealed: dict[str, dict[str, str]], checked: Checked
) -> None:
    tables, key, columns = SHOWN[source]
    for name in sorted(set(tables) & files.names()):
        with files.opened(name) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as file:
            for number, line in enumerate(csv.DictReader(file), 1):
                found = str(line.get(key) or "")
                known = sealed.get(
                    f"{found} {line.get('version')}" if source == "rounds" else found
                )
                if known is None:
                    continue
                wrong = [one for one in columns if line.get(one) != known[one]]
                if wrong:
                    detail = f"{', '.join(wrong)} of {found} is not what is sealed"
                    finding = Finding(name, Code.TABLE_DIFFERS, detail, row=number)
                    checked.findings.append(finding)


def _check_seals(
    files: _Files, name: str, keys: dict[str, Ed25519PublicKey], checked: Checked
) -> None:
    """Signatures, and that each continues the one before it."""
    source = Path(name).stem
    chain: Chain | None = None
    try:
        with files.opened(name) as file:
            for line in file:
                following = None if chain is None else chain.number + 1
                place = Finding(source, Code.UNREADABLE, "", seal=following)
                payload, head = open_signed(line.removesuffix(b"\n"), SEAL_CONTEXT, keys, place)
                chain = (chain or Chain.before(source, payload)).then(payload, head)
                checked.seals += 1
    except Spoiled as spoiled:
        checked.findings.append(spoiled.finding)

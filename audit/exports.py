"""Exports for outsiders: sealed rows, their leaf hashes, the seals, and a signed list of contents.

Layout: ``manifest.json``; per source a folder with ``rows.jsonl`` (the sealed bytes, one row per
line, in the order of their numbers), ``leaves.txt`` (their hashes) and ``seals.jsonl``. The program
that checks it is `python -m verify`, which needs neither Django nor a database.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from audit.canonical import canonical, instant
from audit.database_clock import database_now
from audit.keys import SealKey, seal_key
from audit.seals import Seal, Source, sealed_rows, stored

EXPORT_CONTEXT: Final = b"faro-export-v1\n"


def export(out: Path, chosen: list[Source]) -> dict[str, dict[str, int | str]]:
    """Write all sealed rows of ``chosen`` to the empty or new folder ``out``; returns the counts.

    Rows that no seal covers yet are not part of an export: seal first. A row that is gone is
    written as ``{"missing": key}``, which the verifier reports.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")
    # what refers to another source is read first: nothing it names can then be missing there
    in_order = sorted(chosen, key=lambda source: (source.rank, source.name))
    contents = {source.name: _export_source(out / source.name, source) for source in in_order}
    (out / "manifest.json").write_bytes(_manifest(contents, seal_key()))
    return contents


def _export_source(folder: Path, source: Source) -> dict[str, int | str]:
    folder.mkdir()
    count, last = 0, None
    with (
        (folder / "rows.jsonl").open("wb") as rows,
        (folder / "leaves.txt").open("wb") as leaves,
        (folder / "seals.jsonl").open("wb") as seals,
    ):
        for seal in stored(source.name):
            for key, leaf, present in sealed_rows(source, seal.number):
                rows.write((canonical({"missing": key}) if present is None else present) + b"\n")
                leaves.write(leaf.hex().encode() + b"\n")
                count += 1
            seals.write(seal.line())
            last = seal
    return {
        "rows": count,
        "seals": 0 if last is None else last.number,
        "head": "" if last is None else _head(last),
    }


def _head(seal: Seal) -> str:
    return hashlib.sha256(seal.payload.encode()).hexdigest()


def _manifest(contents: dict[str, dict[str, int | str]], key: SealKey) -> bytes:
    payload = canonical(
        {"v": 1, "at": instant(database_now()), "sources": contents, "key": key.key_id}
    )
    signature = key.private.sign(EXPORT_CONTEXT + payload)
    return canonical({"payload": payload.decode(), "signature": signature.hex()}) + b"\n"

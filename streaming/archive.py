"""A clip of the past as files: segments, a playlist and a manifest, whole or not there at all.

``<archive>/<table>/<date>/<number>/`` holds ``index.m3u8``, ``init-N.mp4``, ``segment-N.m4s`` and
``manifest.json`` with the SHA-256 of each. It is written under another name and moved into place
in one step, so two workers that store the same clip leave one, and a full disk leaves none.
A clip for which there was no picture has a manifest that says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import m3u8

from kernel.clock import epoch_ms
from streaming import journal, playlist
from streaming.journal import Entry
from streaming.window import TICKS_PER_SECOND

MANIFEST: Final = "manifest.json"
PLAYLIST: Final = "index.m3u8"
#: A file of this name beside the manifest keeps a clip beyond its retention (feature F31).
HOLD: Final = "hold"
DATE_FORMAT: Final = "%Y-%m-%d"
#: A clip's directory: the round's number, and the part where it is not the whole round.
NAME: Final = re.compile(r"\d+(-[0-9a-z]+)?")
#: What a killed process may leave of a clip: never listed, never served, swept with its day.
LEFT_OVER: Final = re.compile(r"\.\d+\.[0-9a-z]+\.tmp")


@dataclass(frozen=True, slots=True)
class Clip:
    """Which span of which table, and where it belongs: ``part`` beside the clip of the round."""

    table: str
    number: int
    day: date
    since: datetime
    until: datetime
    part: str = ""

    def directory(self, archive_dir: Path) -> Path:
        name = f"{self.number}-{self.part}" if self.part else str(self.number)
        return archive_dir / self.table / self.day.strftime(DATE_FORMAT) / name


@dataclass(frozen=True, slots=True)
class Stored:
    """What :func:`store` left behind."""

    segments: int
    bytes: int


def store(clip: Clip, live_dir: Path, archive_dir: Path) -> Stored | None:
    """Copy the clip's segments and describe them; None where it is stored already.

    Raises ``OSError`` when it cannot be written; nothing is left then and it may be tried again.
    """
    destination = clip.directory(archive_dir)
    if destination.exists():
        return None
    source = live_dir / clip.table
    entries = journal.covering(journal.read(source), clip.since, clip.until)
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{clip.number}.{secrets.token_hex(6)}.tmp")
    temporary.mkdir()
    try:
        files, kept = _copy(entries, source, temporary)
        if kept:
            text = vod_playlist(kept).encode()
            _write(temporary / PLAYLIST, text)
            files[PLAYLIST] = _described(text)
        _write(temporary / MANIFEST, _manifest(clip, kept, files))
        return _move(temporary, destination, kept, files)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_manifest(directory: Path) -> dict[str, object] | None:
    """What is stored in a clip's directory; None where nothing (readable) is."""
    try:
        stored = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def vod_playlist(entries: Sequence[Entry]) -> str:
    """The playlist of a finished clip, written by the ``m3u8`` package (RFC 8216bis §4.4.3.5)."""
    listed = m3u8.M3U8()
    listed.version = str(playlist.VERSION)
    listed.playlist_type = "vod"
    listed.media_sequence = 0
    listed.is_independent_segments = True
    listed.is_endlist = True
    longest = max(entry.duration_ticks for entry in entries)
    listed.target_duration = (longest + TICKS_PER_SECOND // 2) // TICKS_PER_SECOND
    before: Entry | None = None
    for entry in entries:
        breaks = before is not None and (
            before.init != entry.init or before.number + 1 != entry.number
        )
        listed.add_segment(
            m3u8.Segment(
                uri=entry.file,
                duration=entry.duration_ticks / TICKS_PER_SECOND,
                program_date_time=entry.starts_at,
                init_section={"uri": entry.init},
                discontinuity=breaks,
            )
        )
        before = entry
    return str(listed.dumps())


def _copy(
    entries: Sequence[Entry], source: Path, temporary: Path
) -> tuple[dict[str, dict[str, object]], list[Entry]]:
    """Copy what is still there; the files as the manifest describes them, and their entries."""
    files: dict[str, dict[str, object]] = {}
    kept: list[Entry] = []
    for entry in entries:
        rung = source / entry.rung
        try:
            if entry.init not in files:
                files[entry.init] = _copied(rung / entry.init, temporary / entry.init)
            files[entry.file] = _copied(rung / entry.file, temporary / entry.file)
        except FileNotFoundError:  # swept before anybody came to archive it
            continue
        kept.append(entry)
    return files, kept


def _copied(source: Path, target: Path) -> dict[str, object]:
    data = source.read_bytes()
    _write(target, data)
    return _described(data)


def _described(data: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _write(path: Path, data: bytes) -> None:
    """On the disk, not only in its cache: who archives promises to have it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _manifest(
    clip: Clip, kept: Sequence[Entry], files: Mapping[str, Mapping[str, object]]
) -> bytes:
    covered_ms = sum(entry.duration_ticks for entry in kept) * 1000 // TICKS_PER_SECOND
    return json.dumps(
        {
            "table": clip.table,
            "round": clip.number,
            "since_ms": epoch_ms(clip.since),
            "until_ms": epoch_ms(clip.until),
            "picture": bool(kept),
            "covered_ms": covered_ms,
            "rung": kept[0].rung if kept else None,
            "codecs": kept[0].codecs if kept else None,
            "first_segment_at_ms": kept[0].starts_at_ms if kept else None,
            "files": files,
        },
        indent=1,
        sort_keys=True,
    ).encode()


def _move(
    temporary: Path,
    destination: Path,
    kept: Sequence[Entry],
    files: Mapping[str, Mapping[str, object]],
) -> Stored | None:
    try:
        temporary.rename(destination)
    except OSError:
        if destination.exists():  # another worker stored the same clip first; its copy stands
            return None
        raise
    parent = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    return Stored(len(kept), sum(int(str(file["bytes"])) for file in files.values()))

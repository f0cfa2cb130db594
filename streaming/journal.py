"""What was published and when: one line of JSON per segment, for the archive.

Segments lie on disk longer than playlists list them. The journal tells, for any recent span of
time, which files cover it and how they follow each other. A table's journal is a file per ten
minutes, only ever appended to by its stream process; a line that was cut off is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from streaming.window import TICKS_PER_SECOND

JOURNALS: Final = "journal-*.jsonl"
_PERIOD_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A published segment of one rung; ``files`` are named relative to the table's directory."""

    number: int
    rung: str
    init: str
    starts_at_ms: int  # since 1970, as its EXT-X-PROGRAM-DATE-TIME said
    duration_ticks: int
    codecs: str

    @property
    def file(self) -> str:
        return f"segment-{self.number}.m4s"

    @property
    def starts_at(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.starts_at_ms)

    @property
    def ends_at(self) -> datetime:
        micros = self.duration_ticks * 1_000_000 // TICKS_PER_SECOND
        return self.starts_at + timedelta(microseconds=micros)


def append(directory: Path, entry: Entry) -> None:
    """Add one line to the table's journal of that time."""
    path = directory / f"journal-{entry.starts_at_ms // _PERIOD_MS}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry), separators=(",", ":")) + "\n")


def read(directory: Path) -> list[Entry]:
    """Every entry that is kept, in order of number; none where there is no such table."""
    found: dict[int, Entry] = {}
    for path in sorted(directory.glob(JOURNALS)):
        try:
            lines = path.read_text("utf-8").splitlines()
        except OSError:  # swept since it was listed
            continue
        found |= {entry.number: entry for entry in map(entry_of, lines) if entry is not None}
    return [found[number] for number in sorted(found)]


def covering(entries: Iterable[Entry], since: datetime, until: datetime) -> list[Entry]:
    """Those that show any of the time from ``since`` to ``until``."""
    return [entry for entry in entries if entry.starts_at < until and entry.ends_at > since]


def newest_end(entries: Iterable[Entry]) -> datetime | None:
    """Until when there is a picture; None where there is none at all."""
    return max((entry.ends_at for entry in entries), default=None)


def entry_of(line: str) -> Entry | None:
    """The entry that a line of a journal holds; None for one that was cut off."""
    try:
        stored = json.loads(line)
        return Entry(
            number=int(stored["number"]),
            rung=str(stored["rung"]),
            init=str(stored["init"]),
            starts_at_ms=int(stored["starts_at_ms"]),
            duration_ticks=int(stored["duration_ticks"]),
            codecs=str(stored["codecs"]),
        )
    except (ValueError, KeyError, TypeError):  # the process was killed while it wrote
        return None

"""What one table offers now: its window, the bytes it lists, and where they lie on disk.

All rungs share one window, hence one numbering and one clock, and one text of a media playlist.

Viewers are answered from memory, by name out of a mapping: no request ever reaches the file
system by a name it chose. The directory holds the same files longer, with a journal, for the
archive; and the numbering, so that a restarted process goes on where the last one stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from kernel.clock import Clock, epoch_ms, monotonic_ms
from streaming import journal, retention
from streaming.anchor import Anchor
from streaming.boxes import Init
from streaming.joining import Whole
from streaming.ladder import Ladder
from streaming.window import TICKS_PER_SECOND, Shape, Window

_NUMBERING: Final = "numbering.json"
_POSTER: Final = "poster.jpg"

#: The worker sweeps the directory after minutes. Should there be none, this process does, late.
_KEEP_AT_MOST: Final = timedelta(hours=1)
_SWEEP_EVERY_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Picture:
    """What the multivariant playlist says about one rung."""

    codecs: str
    width: int
    height: int


class Live:
    """One table's stream. Only its feed changes it; the origin reads it, in the same thread."""

    def __init__(
        self, directory: Path, ladder: Ladder, shape: Shape, clock: Clock, *, delay: timedelta
    ) -> None:
        """Creates the directory and takes up the numbers of an earlier process.

        ``delay`` is how long after the fact a segment that comes at once is here.
        """
        for rung in ladder:
            (directory / rung.name).mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ladder = ladder
        self.pictures: Mapping[str, Picture] = {}
        self.restarts = 0
        self.window = _restored(directory / _NUMBERING, shape, clock)
        self._clock = clock
        self._delay = delay
        self._anchor: Anchor | None = None
        self._bytes: dict[tuple[str, str], bytes] = {}
        self._inits: Mapping[str, Init] | None = None  # until the timeline's first segment comes
        self._newest_at_ms: int | None = None
        self._swept_at_ms: int | None = None

    @property
    def poster(self) -> Path:
        return self.directory / _POSTER

    def segment_age_ms(self) -> int | None:
        """How long ago the newest segment was published; None before the first."""
        return None if self._newest_at_ms is None else monotonic_ms() - self._newest_at_ms

    def named(self, rung: str, name: str) -> bytes | None:
        """The segment or initialization section of this name, while it is kept."""
        return self._bytes.get((rung, name))

    def begin(self, inits: Mapping[str, Init]) -> None:
        """An encoder has started; its timeline begins with its first segment."""
        self._inits = inits
        self._anchor = None

    def publish(self, whole: Whole) -> int:
        """Write the segment's files, list it, drop what is too old; its number.

        The files exist before a playlist names them. A few hundred kilobytes a second do not hold
        the event loop up noticeably. Raises ``MediaFault``, and ``OSError`` on a full disk; the
        window stays as it was.
        """
        anchor = self._anchored(whole)
        window = self._begun(whole, anchor).append(whole.start_ticks, whole.duration_ticks)
        segment = window.segments[-1]
        if self._inits is not None:
            for rung, init in self._inits.items():
                self._keep(rung, segment.timeline.init_uri, init.data)
            self.pictures = {
                rung: Picture(init.codecs, init.width, init.height)
                for rung, init in self._inits.items()
            }
        for rung, fragment in whole.fragments.items():
            self._keep(rung, segment.uri, fragment.data)
        self._remember(window)
        self.window, self._inits, self._anchor = window, None, anchor
        self._newest_at_ms = monotonic_ms()
        self._sweep()
        return segment.number

    def _anchored(self, whole: Whole) -> Anchor:
        end_ticks = whole.start_ticks + whole.duration_ticks
        if self._anchor is None:
            return Anchor.first(whole.arrived_at, end_ticks, self._delay)
        return self._anchor.follow(whole.arrived_at, end_ticks, self._delay)

    def _begun(self, whole: Whole, anchor: Anchor) -> Window:
        if self._inits is not None:
            return self.window.begin_timeline(
                init_uri=f"init-{self.window.next_number}.mp4",
                first_ticks=whole.start_ticks,
                starts_at=anchor.wall_clock(whole.start_ticks),
            )
        if self.window.timeline is None:  # its absence is reported by the window
            return self.window
        return self.window.reanchor(anchor.wall_clock(self.window.timeline.first_ticks))

    def _keep(self, rung: str, name: str, data: bytes) -> None:
        _write(self.directory / rung / name, data)
        self._bytes[rung, name] = data

    def _remember(self, window: Window) -> None:
        """The numbering for a later process, and the segment for the archive."""
        numbering = {"next_number": window.next_number, "discontinuities": window.discontinuities}
        _write(self.directory / _NUMBERING, json.dumps(numbering).encode())
        segment, rung = window.segments[-1], self.ladder[0].name
        journal.append(
            self.directory,
            journal.Entry(
                number=segment.number,
                rung=rung,
                init=segment.timeline.init_uri,
                starts_at_ms=epoch_ms(segment.starts_at),
                duration_ticks=segment.duration_ticks,
                codecs=self.pictures[rung].codecs,
            ),
        )

    def _sweep(self) -> None:
        """Drop what no client may ask for any more from memory; from disk, what was forgotten."""
        keep_from = self.window.keep_from
        begun = [_number(name) for _, name in self._bytes if name.startswith("init-")]
        # the timeline that the oldest kept segment belongs to began at or before it
        inits_from = max((first for first in begun if first <= keep_from), default=0)
        for rung, name in list(self._bytes):
            oldest = inits_from if name.startswith("init-") else keep_from
            if _number(name) < oldest:
                del self._bytes[rung, name]
        now_ms = monotonic_ms()
        if self._swept_at_ms is None or now_ms - self._swept_at_ms > _SWEEP_EVERY_MS:
            self._swept_at_ms = now_ms
            retention.sweep_table(self.directory, self._clock.now() - _KEEP_AT_MOST)

    def newest_ends_at(self) -> datetime | None:
        """The wall-clock time at which the picture that is listed ends."""
        if not self.window.segments:
            return None
        segment = self.window.segments[-1]
        return segment.timeline.wall_clock(segment.start_ticks + segment.duration_ticks)


def _number(name: str) -> int:
    return int(name.partition("-")[2].partition(".")[0])


def _restored(path: Path, shape: Shape, clock: Clock) -> Window:
    """An empty window whose numbers lie beyond any that was given out before.

    Numbers never fall below the count of segments since 1970, so that they do not go back even
    when the directory was lost.
    """
    floor = epoch_ms(clock.now()) * TICKS_PER_SECOND // (1000 * shape.segment_ticks)
    fresh = Window(shape, next_number=floor)
    try:
        stored = json.loads(path.read_bytes())
        return replace(
            fresh,
            next_number=max(floor, int(stored["next_number"])),
            discontinuity_sequence=int(stored["discontinuities"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or cut off: the floor is safe
        return fresh


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: readers never see half a file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)

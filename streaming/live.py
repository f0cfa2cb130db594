"""What one table offers now: its window, the bytes it lists, and where they lie on disk.

Viewers are answered from memory, by name out of a mapping: no request ever reaches the file
system by a name it chose. The directory holds the same files for other programs, and the
numbering, so that a restarted process goes on where the last one stopped.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from kernel.clock import Clock, epoch_ms, monotonic_ms
from streaming.boxes import Fragment, Init
from streaming.window import TICKS_PER_SECOND, Shape, Window

_OURS: Final = re.compile(r"(?:segment|init)-\d+\.(?:m4s|mp4)(?:\.tmp)?")
_NUMBERING: Final = "numbering.json"
_POSTER: Final = "poster.jpg"


@dataclass(frozen=True, slots=True)
class Picture:
    """What the multivariant playlist says about the stream."""

    codecs: str
    width: int
    height: int


class Live:
    """One table's stream. Only its feed changes it; the origin reads it, in the same thread."""

    def __init__(self, directory: Path, shape: Shape, clock: Clock) -> None:
        """Creates the directory, drops segments of an earlier process and takes up its numbers."""
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.iterdir():
            if _OURS.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self.directory = directory
        self.picture: Picture | None = None
        self.restarts = 0
        self.window = _restored(directory / _NUMBERING, shape, clock)
        self._clock = clock
        self._bytes: dict[str, bytes] = {}
        self._init: Init | None = None  # of a timeline whose first segment has not come yet
        self._newest_at_ms: int | None = None

    @property
    def poster(self) -> Path:
        return self.directory / _POSTER

    def segment_age_ms(self) -> int | None:
        """How long ago the newest segment was published; None before the first."""
        return None if self._newest_at_ms is None else monotonic_ms() - self._newest_at_ms

    def named(self, name: str) -> bytes | None:
        """The segment or initialization section of this name, while it is kept."""
        return self._bytes.get(name)

    def begin(self, init: Init) -> None:
        """An encoder has started; its timeline begins with its first segment."""
        self._init = init

    def publish(self, fragment: Fragment) -> int:
        """Write the segment, list it, drop what is too old; its number. Raises ``MediaFault``.

        The file exists before a playlist names it. A few hundred kilobytes every two seconds do
        not hold the event loop up noticeably.
        """
        window = self._begun(fragment).append(fragment.start_ticks, fragment.duration_ticks)
        segment = window.segments[-1]
        if self._init is not None:
            self._keep(segment.timeline.init_uri, self._init.data)
            self.picture = Picture(self._init.codecs, self._init.width, self._init.height)
        self._keep(segment.uri, fragment.data)
        self._remember(window)
        self.window, self._init = window, None
        self._newest_at_ms = monotonic_ms()
        self._sweep()
        return segment.number

    def _begun(self, fragment: Fragment) -> Window:
        if self._init is None:
            return self.window
        # the fragment is complete now, so that is when its last frame was taken
        length = timedelta(microseconds=fragment.duration_ticks * 1_000_000 // TICKS_PER_SECOND)
        return self.window.begin_timeline(
            init_uri=f"init-{self.window.next_number}.mp4",
            first_ticks=fragment.start_ticks,
            starts_at=self._clock.now() - length,
        )

    def _keep(self, name: str, data: bytes) -> None:
        _write(self.directory / name, data)
        self._bytes[name] = data

    def _remember(self, window: Window) -> None:
        numbering = {"next_number": window.next_number, "discontinuities": window.discontinuities}
        _write(self.directory / _NUMBERING, json.dumps(numbering).encode())

    def _sweep(self) -> None:
        """Drop what no client may ask for any more, in memory and on disk."""
        keep_from = self.window.keep_from
        begun = [_number(name) for name in self._bytes if name.startswith("init-")]
        # the timeline that the oldest kept segment belongs to began at or before it
        inits_from = max((first for first in begun if first <= keep_from), default=0)
        for name in list(self._bytes):
            oldest = inits_from if name.startswith("init-") else keep_from
            if _number(name) < oldest:
                del self._bytes[name]
                (self.directory / name).unlink(missing_ok=True)


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

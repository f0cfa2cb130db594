"""The sliding window of one live stream: segments and parts numbered by their media time. Pure.

A window is a value: each act returns the next one. It knows nothing of files, sockets or clocks;
wall-clock times are handed in. A *timeline* is one unbroken run of an encoder; where one ends and
the next begins, the next segment carries a discontinuity.

A segment's number follows from its media time alone, so that two packagers fed by one encoder
number alike, and time without media becomes an announced gap, never a shifted number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kernel.invariant import ensure

#: The media clock, in which 24, 25, 30, 50, 60 and 29.97 frames per second are all whole numbers.
TICKS_PER_SECOND: Final = 90_000

#: RFC 8216bis §6.2.2: a live playlist never holds less than three target durations.
SEGMENTS_MIN: Final = 4

#: More than this and a playlist is no longer a live window; archives have their own playlists.
SEGMENTS_MAX: Final = 120

PARTS_PER_SEGMENT_MAX: Final = 64


class MediaCode(StrEnum):
    """How a feed broke its promises."""

    NO_TIMELINE = "no_timeline"
    WENT_BACK = "went_back"
    SEGMENT_LENGTH = "segment_length"
    PART_LENGTH = "part_length"
    TOO_MANY_PARTS = "too_many_parts"
    GAP_TOO_WIDE = "gap_too_wide"
    MALFORMED = "malformed"
    RUNGS_APART = "rungs_apart"


class MediaFault(Exception):
    """An operating failure: the encoder sent what cannot be published. Restart the feed."""

    def __init__(self, code: MediaCode, **facts: int | str) -> None:
        super().__init__(f"{code}: {facts}")
        self.code = code
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Shape:
    """What a stream promises for its whole life. Durations in ticks of 1/90,000 s."""

    segment_ticks: int = TICKS_PER_SECOND
    segments_max: int = 16
    part_ticks: int = 0  # 0: no parts are announced

    def __post_init__(self) -> None:
        ensure(self.segment_ticks > 0, "a segment lasts", ticks=self.segment_ticks)
        ensure(
            SEGMENTS_MIN <= self.segments_max <= SEGMENTS_MAX,
            "the window has a sane length",
            segments=self.segments_max,
        )
        ensure(0 <= self.part_ticks <= self.segment_ticks, "parts fit", ticks=self.part_ticks)

    @property
    def target_duration_s(self) -> int:
        """EXT-X-TARGETDURATION: no segment, rounded to whole seconds, is longer (§4.4.3.1)."""
        return -(-self.segment_ticks // TICKS_PER_SECOND)

    @property
    def longest_ticks(self) -> int:
        """The longest segment that is taken (a late key frame): it still rounds to the target."""
        return self.target_duration_s * TICKS_PER_SECOND + TICKS_PER_SECOND // 2 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a segment, published before the segment is complete."""

    uri: str
    start_ticks: int
    duration_ticks: int
    independent: bool  # begins with a key frame


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run of an encoder: where its media time zero falls in number and in wall-clock time."""

    init_uri: str
    first_number: int
    first_ticks: int
    starts_at: datetime  # the wall-clock time of first_ticks, aware

    def wall_clock(self, ticks: int) -> datetime:
        return self.starts_at + timedelta(
            microseconds=(ticks - self.first_ticks) * 1_000_000 // TICKS_PER_SECOND
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """A complete segment, or the announced lack of one (``gap``)."""

    number: int
    timeline: Timeline
    start_ticks: int
    duration_ticks: int
    discontinuity: bool = False  # a new timeline begins here
    gap: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def uri(self) -> str:
        return segment_uri(self.number)

    @property
    def starts_at(self) -> datetime:
        return self.timeline.wall_clock(self.start_ticks)


def segment_uri(number: int) -> str:
    return f"segment-{number}.m4s"


def part_uri(number: int, index: int) -> str:
    return f"part-{number}-{index}.m4s"


@dataclass(frozen=True, slots=True)
class Window:
    """What may be played now, oldest first, and the segment in the making.

    Raises :class:`MediaFault` where the encoder is at fault; the window given stays as it was.
    """

    shape: Shape
    next_number: int = 0
    discontinuity_sequence: int = 0  # of the first segment listed (RFC 8216bis §4.4.3.3)
    segments: tuple[Segment, ...] = ()
    parts: tuple[Part, ...] = ()  # of the segment in the making
    timeline: Timeline | None = None

    @property
    def first_number(self) -> int:
        return self.segments[0].number if self.segments else self.next_number

    @property
    def discontinuities(self) -> int:
        """How many there have ever been; a restarted process goes on from here."""
        return self.discontinuity_sequence + sum(s.discontinuity for s in self.segments)

    @property
    def keep_from(self) -> int:
        """The oldest number a client may still ask for.

        RFC 8216bis §6.2.2: a removed segment stays available for its own duration plus that of the
        longest playlist that listed it: here, one more window and a segment.
        """
        return self.first_number - self.shape.segments_max - 1

    def begin_timeline(self, *, init_uri: str, first_ticks: int, starts_at: datetime) -> Window:
        """The same window with a new encoder run to come; parts in the making are dropped."""
        ensure(starts_at.tzinfo is not None, "instants are aware", got=starts_at)
        return replace(
            self,
            parts=(),
            timeline=Timeline(init_uri, self.next_number, first_ticks, starts_at),
        )

    def reanchor(self, starts_at: datetime) -> Window:
        """The same timeline on a corrected wall clock; segments already listed keep their times."""
        ensure(starts_at.tzinfo is not None, "instants are aware", got=starts_at)
        return replace(self, timeline=replace(self._running(), starts_at=starts_at))

    def number_at(self, start_ticks: int) -> int:
        """The number of the segment that starts at this media time (to the nearest boundary)."""
        timeline = self._running()
        offset = start_ticks - timeline.first_ticks
        index = (2 * offset + self.shape.segment_ticks) // (2 * self.shape.segment_ticks)
        number = timeline.first_number + index
        if number < self.next_number:
            raise MediaFault(MediaCode.WENT_BACK, number=number, expected=self.next_number)
        if number - self.next_number > self.shape.segments_max:
            raise MediaFault(MediaCode.GAP_TOO_WIDE, number=number, expected=self.next_number)
        return number

    def add_part(self, start_ticks: int, duration_ticks: int, *, independent: bool) -> Window:
        """A piece of the segment in the making. It follows the one before without a hole."""
        ensure(self.shape.part_ticks > 0, "this stream announces parts")
        first_ticks = self.parts[0].start_ticks if self.parts else start_ticks
        number = self.number_at(first_ticks)
        if not 0 < duration_ticks <= self.shape.part_ticks:
            raise MediaFault(MediaCode.PART_LENGTH, number=number, ticks=duration_ticks)
        if self.parts:
            last = self.parts[-1]
            if start_ticks != last.start_ticks + last.duration_ticks:
                raise MediaFault(MediaCode.WENT_BACK, number=number, ticks=start_ticks)
        if len(self.parts) == PARTS_PER_SEGMENT_MAX:
            raise MediaFault(MediaCode.TOO_MANY_PARTS, number=number)
        uri = part_uri(number, len(self.parts))
        part = Part(uri, start_ticks, duration_ticks, independent)
        return replace(self, parts=(*self.parts, part))

    def close_segment(self) -> Window:
        """The parts in the making become a segment."""
        ensure(bool(self.parts), "a segment has parts")
        start_ticks = self.parts[0].start_ticks
        duration_ticks = sum(part.duration_ticks for part in self.parts)
        return self._append(start_ticks, duration_ticks, self.parts)

    def append(self, start_ticks: int, duration_ticks: int) -> Window:
        """A whole segment, published at once. Missing ones before it become announced gaps."""
        ensure(not self.parts, "a segment in the making is closed, not appended")
        return self._append(start_ticks, duration_ticks, ())

    def _append(self, start_ticks: int, duration_ticks: int, parts: tuple[Part, ...]) -> Window:
        timeline = self._running()
        number = self.number_at(start_ticks)
        if not 0 < duration_ticks <= self.shape.longest_ticks:
            raise MediaFault(MediaCode.SEGMENT_LENGTH, number=number, ticks=duration_ticks)
        added = [
            *(self._gap(timeline, missing) for missing in range(self.next_number, number)),
            Segment(number, timeline, start_ticks, duration_ticks, parts=parts),
        ]
        if timeline.first_number == self.next_number and self._follows_something(timeline):
            added[0] = replace(added[0], discontinuity=True)
        return self._slide(added, number + 1)

    def _follows_something(self, timeline: Timeline) -> bool:
        """False only for the very first timeline of a stream that starts from nothing."""
        return bool(self.segments) or self.discontinuities > 0 or timeline.first_number > 0

    def _gap(self, timeline: Timeline, number: int) -> Segment:
        start_ticks = (
            timeline.first_ticks + (number - timeline.first_number) * self.shape.segment_ticks
        )
        return Segment(number, timeline, start_ticks, self.shape.segment_ticks, gap=True)

    def _slide(self, added: list[Segment], next_number: int) -> Window:
        segments = (*self.segments, *added)
        removed = segments[: -self.shape.segments_max]
        return replace(
            self,
            next_number=next_number,
            segments=segments[-self.shape.segments_max :],
            parts=(),
            discontinuity_sequence=self.discontinuity_sequence
            + sum(segment.discontinuity for segment in removed),
        )

    def _running(self) -> Timeline:
        if self.timeline is None:
            raise MediaFault(MediaCode.NO_TIMELINE)
        return self.timeline

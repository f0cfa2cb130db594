"""Playlists as text, after RFC 8216bis (draft-pantos-hls-rfc8216bis). Pure.

Sections are those of the draft. Our own writer, because the live edge needs tags that libraries
drop (dates and discontinuities before trailing parts); an independent parser reads it in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kernel.invariant import ensure
from streaming.window import (
    TICKS_PER_SECOND,
    Part,
    Segment,
    Window,
    part_uri,
)

#: §8: EXT-X-MAP in a playlist that is not I-frames only needs version 6.
VERSION: Final = 6

MEDIA_TYPE: Final = "application/vnd.apple.mpegurl"  # §4: registered for playlists

#: §4.4.3.8: a client stays at least this many part targets behind the edge (SHOULD be 3).
PART_HOLD_BACK_PARTS: Final = 3

#: §4.4.4.9: parts further than three target durations from the end need not be listed.
PARTS_LISTED_TARGETS: Final = 3


@dataclass(frozen=True, slots=True)
class Rendition:
    """One rung of the multivariant playlist."""

    uri: str
    bandwidth_bps: int  # peak of any segment
    average_bps: int
    codecs: str  # RFC 6381, e.g. avc1.42c01e
    width: int
    height: int
    frame_rate_milli: int  # frames in 1,000 seconds


def multivariant(renditions: Sequence[Rendition]) -> str:
    """The playlist of playlists, in the order given: the first is where players start."""
    ensure(bool(renditions), "a multivariant playlist lists something")
    lines = [
        "#EXTM3U",  # §4.4.1.1
        f"#EXT-X-VERSION:{VERSION}",  # §4.4.1.2
        "#EXT-X-INDEPENDENT-SEGMENTS",  # §4.4.2.1: every segment begins with a key frame
    ]
    for rendition in renditions:
        lines += [_stream_inf(rendition), _uri(rendition.uri)]
    return _text(lines)


def _stream_inf(rendition: Rendition) -> str:
    """EXT-X-STREAM-INF (§4.4.6.2)."""
    whole, milli = divmod(rendition.frame_rate_milli, 1000)
    ensure('"' not in rendition.codecs, "quoted strings hold no quotes", codecs=rendition.codecs)
    return "#EXT-X-STREAM-INF:" + ",".join(
        [
            f"BANDWIDTH={rendition.bandwidth_bps}",
            f"AVERAGE-BANDWIDTH={rendition.average_bps}",
            f'CODECS="{rendition.codecs}"',
            f"RESOLUTION={rendition.width}x{rendition.height}",
            f"FRAME-RATE={whole}.{milli:03d}",
        ]
    )


def media(window: Window) -> str:
    """The media playlist of a window that holds at least one segment."""
    ensure(bool(window.segments), "a playlist without segments is not served")
    lines = [*_head(window)]
    init_uri = ""
    listed_from = _parts_listed_from(window)
    for segment in window.segments:
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")  # §4.4.4.3
        if segment.timeline.init_uri != init_uri:
            init_uri = segment.timeline.init_uri
            lines.append(f'#EXT-X-MAP:URI="{_uri(init_uri)}"')  # §4.4.4.5
        lines += _segment(segment, with_parts=segment.number >= listed_from)
    lines += _edge(window, init_uri)
    return _text(lines)


def _head(window: Window) -> Iterator[str]:
    shape = window.shape
    yield "#EXTM3U"  # §4.4.1.1
    yield f"#EXT-X-VERSION:{VERSION}"  # §4.4.1.2
    yield "#EXT-X-INDEPENDENT-SEGMENTS"  # §4.4.2.1
    yield f"#EXT-X-TARGETDURATION:{shape.target_duration_s}"  # §4.4.3.1
    if shape.part_ticks:
        # §4.4.3.8; a server that lists parts MUST be able to block (appendix B.1)
        hold_back = seconds(PART_HOLD_BACK_PARTS * shape.part_ticks)
        yield f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back}"
        yield f"#EXT-X-PART-INF:PART-TARGET={seconds(shape.part_ticks)}"  # §4.4.3.7
    yield f"#EXT-X-MEDIA-SEQUENCE:{window.first_number}"  # §4.4.3.2
    yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{window.discontinuity_sequence}"  # §4.4.3.3


def _segment(segment: Segment, *, with_parts: bool) -> Iterator[str]:
    yield f"#EXT-X-PROGRAM-DATE-TIME:{date_time(segment.starts_at)}"  # §4.4.4.6
    if segment.gap:
        yield "#EXT-X-GAP"  # §4.4.4.7: not there; a client does not ask for it
    if with_parts:
        yield from map(_part, segment.parts)
    yield f"#EXTINF:{seconds(segment.duration_ticks)},"  # §4.4.4.1
    yield _uri(segment.uri)


def _part(part: Part) -> str:
    """EXT-X-PART (§4.4.4.9)."""
    independent = ",INDEPENDENT=YES" if part.independent else ""
    return (
        f'#EXT-X-PART:DURATION={seconds(part.duration_ticks)},URI="{_uri(part.uri)}"{independent}'
    )


def _edge(window: Window, init_uri: str) -> Iterator[str]:
    """The segment in the making, part by part, and the part to come (§4.4.5.3)."""
    if not window.shape.part_ticks or window.timeline is None:
        return
    if window.timeline.init_uri != init_uri:
        yield "#EXT-X-DISCONTINUITY"  # §4.4.4.3: it belongs to the segment in the making
        yield f'#EXT-X-MAP:URI="{_uri(window.timeline.init_uri)}"'
    if window.parts:
        starts_at = window.timeline.wall_clock(window.parts[0].start_ticks)
        yield f"#EXT-X-PROGRAM-DATE-TIME:{date_time(starts_at)}"
    yield from map(_part, window.parts)
    coming = part_uri(_number_in_the_making(window), len(window.parts))
    yield f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{coming}"'


def _number_in_the_making(window: Window) -> int:
    return window.number_at(window.parts[0].start_ticks) if window.parts else window.next_number


def _parts_listed_from(window: Window) -> int:
    """The first segment number whose parts are still listed."""
    left_ticks = PARTS_LISTED_TARGETS * window.shape.target_duration_s * TICKS_PER_SECOND
    for segment in reversed(window.segments):
        left_ticks -= segment.duration_ticks
        if left_ticks < 0:
            return segment.number + 1
    return window.first_number


def seconds(ticks: int) -> str:
    """Ticks as decimal seconds with six digits, in integer arithmetic (nearest microsecond)."""
    micros = (ticks * 1_000_000 + TICKS_PER_SECOND // 2) // TICKS_PER_SECOND
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def date_time(at: datetime) -> str:
    """ISO 8601 with milliseconds and zone, as §4.4.4.6 asks."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _uri(uri: str) -> str:
    ensure(
        uri != "" and not uri.startswith("#") and not set(uri) & set('"\r\n'),
        "a URI fits on its own line and between quotes",
        uri=uri,
    )
    return uri


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"

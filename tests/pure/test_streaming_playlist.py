"""Playlists, read back by an independent parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import m3u8
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.invariant import InvariantBroken
from streaming import playlist
from streaming.window import TICKS_PER_SECOND, MediaFault, Shape, Window

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TWO = 2 * TICKS_PER_SECOND


def window_of(count, shape=None):
    window = Window(shape or Shape(segment_ticks=TWO, segments_max=4), next_number=100)
    window = window.begin_timeline(init_uri="init-100.mp4", first_ticks=0, starts_at=NOON)
    for index in range(count):
        window = window.append(index * TWO, TWO)
    return window


def test_a_media_playlist_is_exactly_this_text():
    window = window_of(1)
    window = window.append(3 * TWO, TWO).begin_timeline(
        init_uri="init-104.mp4", first_ticks=0, starts_at=NOON + timedelta(minutes=1)
    )
    window = window.append(0, TWO - 3000)

    assert playlist.media(window) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:6\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-MEDIA-SEQUENCE:101\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:1\n"
        '#EXT-X-MAP:URI="init-100.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-06-01T12:00:02.000Z\n"
        "#EXT-X-GAP\n"
        "#EXTINF:2.000000,\n"
        "segment-101.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-06-01T12:00:04.000Z\n"
        "#EXT-X-GAP\n"
        "#EXTINF:2.000000,\n"
        "segment-102.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-06-01T12:00:06.000Z\n"
        "#EXTINF:2.000000,\n"
        "segment-103.m4s\n"
        "#EXT-X-DISCONTINUITY\n"
        '#EXT-X-MAP:URI="init-104.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-06-01T12:01:00.000Z\n"
        "#EXTINF:1.966667,\n"
        "segment-104.m4s\n"
    )


steps = st.lists(
    st.one_of(
        st.tuples(st.just("segment"), st.integers(1, 224_999)),
        st.tuples(st.just("gap"), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.integers(0, 10**6)),
    ),
    min_size=1,
    max_size=30,
)


def _played(plan):
    window = Window(Shape(segment_ticks=TWO, segments_max=6))
    window = window.begin_timeline(init_uri="init-0.mp4", first_ticks=0, starts_at=NOON)
    at, restarts = 0, 0
    for kind, value in plan:
        if kind == "gap":
            at += value * TWO
        elif kind == "restart":
            restarts += 1
            at = value
            window = window.begin_timeline(
                init_uri=f"init-{restarts}.mp4",
                first_ticks=value,
                starts_at=NOON + timedelta(minutes=restarts),
            )
        else:
            try:
                window = window.append(at, value)
            except MediaFault:
                continue
            at += TWO
    return window


@given(steps)
@settings(max_examples=60, deadline=None)
def test_an_independent_parser_reads_back_what_the_window_holds(plan):
    window = _played(plan)
    if not window.segments:
        return

    read = m3u8.loads(playlist.media(window))

    assert read.media_sequence == window.first_number
    assert read.discontinuity_sequence == window.discontinuity_sequence
    assert read.target_duration == window.shape.target_duration_s
    assert read.is_independent_segments
    assert not read.is_endlist
    assert len(read.segments) == len(window.segments)
    for shown, held in zip(read.segments, window.segments, strict=True):
        assert shown.uri == held.uri
        assert abs(shown.duration * TICKS_PER_SECOND - held.duration_ticks) < 0.1
        assert round(shown.duration) <= read.target_duration
        assert shown.discontinuity == held.discontinuity
        assert bool(shown.gap_tag) == held.gap
        assert shown.init_section.uri == held.timeline.init_uri
        assert abs(shown.program_date_time - held.starts_at) < timedelta(milliseconds=1)


LOW_LATENCY = Shape(segment_ticks=TWO, segments_max=8, part_ticks=18_000)


def _with_parts(segments, trailing):
    window = Window(LOW_LATENCY)
    window = window.begin_timeline(init_uri="init-0.mp4", first_ticks=0, starts_at=NOON)
    for part in range(segments * 10 + trailing):
        window = window.add_part(part * 18_000, 18_000, independent=part % 10 == 0)
        if part % 10 == 9:
            window = window.close_segment()
    return window


@pytest.mark.feature("F2")
def test_parts_are_announced_with_their_target_hold_back_and_the_one_to_come():
    text = playlist.media(_with_parts(2, 3))
    read = m3u8.loads(text)

    assert read.part_inf.part_target == 0.2
    assert read.server_control.can_block_reload == "YES"
    assert read.server_control.part_hold_back == 0.6
    assert [len(segment.parts) for segment in read.segments] == [10, 10, 3]
    assert [part.uri for part in read.segments[1].parts][::9] == ["part-1-0.m4s", "part-1-9.m4s"]
    assert [part.independent == "YES" for part in read.segments[0].parts] == [True] + [False] * 9
    assert text.endswith(
        "#EXT-X-PROGRAM-DATE-TIME:2026-06-01T12:00:04.000Z\n"
        '#EXT-X-PART:DURATION=0.200000,URI="part-2-0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PART:DURATION=0.200000,URI="part-2-1.m4s"\n'
        '#EXT-X-PART:DURATION=0.200000,URI="part-2-2.m4s"\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part-2-3.m4s"\n'
    )


def test_the_first_part_of_the_next_segment_is_hinted_when_one_has_just_closed():
    text = playlist.media(_with_parts(2, 0))

    assert text.endswith('#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part-2-0.m4s"\n')


def test_parts_far_from_the_edge_are_no_longer_listed():
    read = m3u8.loads(playlist.media(_with_parts(8, 0)))

    # three targets of 2 s from the end
    assert [len(segment.parts) for segment in read.segments][:8] == [0, 0, 0, 0, 0, 10, 10, 10]


def test_a_new_timelines_first_parts_come_after_their_discontinuity_and_map():
    window = _with_parts(2, 0).begin_timeline(
        init_uri="init-2.mp4", first_ticks=0, starts_at=NOON + timedelta(hours=1)
    )
    text = playlist.media(window.add_part(0, 18_000, independent=True))

    assert text.endswith(
        "segment-1.m4s\n"
        "#EXT-X-DISCONTINUITY\n"
        '#EXT-X-MAP:URI="init-2.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-06-01T13:00:00.000Z\n"
        '#EXT-X-PART:DURATION=0.200000,URI="part-2-0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part-2-1.m4s"\n'
    )


renditions = st.builds(
    playlist.Rendition,
    uri=st.from_regex(r"[a-z][a-z0-9]{0,9}\.m3u8", fullmatch=True),
    bandwidth_bps=st.integers(1, 10**8),
    codecs=st.sampled_from(["avc1.64000b", "avc1.42c01e,mp4a.40.2"]),
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
    frame_rate_milli=st.sampled_from([5000, 25_000, 29_970, 60_000]),
)


@given(st.lists(renditions, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_multivariant_playlist_reads_back(rungs):
    read = m3u8.loads(playlist.multivariant(rungs))

    assert read.is_variant
    for shown, rung in zip(read.playlists, rungs, strict=True):
        info = shown.stream_info
        assert shown.uri == rung.uri
        assert info.bandwidth == rung.bandwidth_bps
        assert info.average_bandwidth == rung.average_bps
        assert info.codecs == rung.codecs
        assert info.resolution == (rung.width, rung.height)
        assert round(info.frame_rate * 1000) == rung.frame_rate_milli


@pytest.mark.parametrize("uri", ["", "#a", 'a"b', "a\nb", "a\r"])
def test_a_uri_that_would_break_its_line_is_a_bug(uri):
    with pytest.raises(InvariantBroken):
        playlist.multivariant([playlist.Rendition(uri, 1, 1, "avc1.64000b", 1, 1, 5000)])


def test_playlists_of_nothing_are_a_bug():
    with pytest.raises(InvariantBroken):
        playlist.media(Window(Shape()))
    with pytest.raises(InvariantBroken):
        playlist.multivariant([])


@given(st.integers(0, 10**12))
def test_seconds_are_the_ticks_to_the_nearest_microsecond(ticks):
    text = playlist.seconds(ticks)

    assert re.fullmatch(r"\d+\.\d{6}", text)
    micros = int(text.replace(".", ""))
    assert abs(micros * TICKS_PER_SECOND - ticks * 1_000_000) * 2 <= TICKS_PER_SECOND


def test_dates_are_written_in_utc():
    berlin = datetime(2026, 6, 1, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))

    assert playlist.date_time(berlin) == "2026-06-01T12:00:00.123Z"

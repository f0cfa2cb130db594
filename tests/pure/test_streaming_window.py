"""Numbering, sliding, gaps and discontinuities of a live window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.invariant import InvariantBroken
from streaming.window import (
    TICKS_PER_SECOND,
    MediaCode,
    MediaFault,
    Shape,
    Window,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TWO = 2 * TICKS_PER_SECOND
SHAPE = Shape(segment_ticks=TWO, segments_max=4)


def started(shape=SHAPE, first_number=0):
    window = Window(shape, next_number=first_number)
    return window.begin_timeline(init_uri="init-0.mp4", first_ticks=0, starts_at=NOON)


def filled(count, window=None):
    window = window or started()
    for index in range(count):
        window = window.append(index * TWO, TWO)
    return window


def test_segments_are_numbered_in_order_and_the_window_slides():
    window = filled(6)

    assert [segment.number for segment in window.segments] == [2, 3, 4, 5]
    assert (window.first_number, window.next_number) == (2, 6)
    assert window.segments[0].uri == "segment-2.m4s"


def test_a_segments_wall_clock_is_its_timelines_start_plus_its_media_time():
    window = filled(3)

    assert [s.starts_at for s in window.segments] == [
        NOON + timedelta(seconds=seconds) for seconds in (0, 2, 4)
    ]


def test_a_corrected_clock_changes_the_times_of_later_segments_only():
    window = filled(2)
    later = window.reanchor(NOON + timedelta(milliseconds=20)).append(2 * TWO, TWO)

    assert later.segments[:2] == window.segments
    assert later.segments[2].starts_at == NOON + timedelta(seconds=4, milliseconds=20)
    assert not later.segments[2].discontinuity
    assert later.next_number == window.next_number + 1


def test_removed_segments_stay_available_for_another_window():
    window = filled(20)

    assert window.first_number == 16
    assert window.keep_from == 16 - 4 - 1


def test_missing_media_becomes_announced_gaps_and_numbers_do_not_shift():
    window = filled(2).append(4 * TWO, TWO)

    assert [(s.number, s.gap) for s in window.segments[-3:]] == [(2, True), (3, True), (4, False)]
    assert window.segments[-2].starts_at == NOON + timedelta(seconds=6)


def test_two_packagers_number_alike_although_one_missed_a_segment():
    full = filled(8)
    holed = started()
    for index in (0, 1, 2, 4, 5, 6, 7):
        holed = holed.append(index * TWO, TWO)

    assert [s.number for s in holed.segments] == [s.number for s in full.segments]


def test_a_new_timeline_goes_on_numbering_and_marks_a_discontinuity():
    window = filled(2).begin_timeline(
        init_uri="init-2.mp4", first_ticks=900, starts_at=NOON + timedelta(minutes=1)
    )
    window = window.append(900, TWO).append(900 + TWO, TWO)

    assert [(s.number, s.discontinuity) for s in window.segments] == [
        (0, False),
        (1, False),
        (2, True),
        (3, False),
    ]
    assert window.segments[2].starts_at == NOON + timedelta(minutes=1)
    assert window.discontinuity_sequence == 0
    assert window.discontinuities == 1


def test_the_discontinuity_sequence_grows_when_the_mark_slides_out():
    window = filled(2).begin_timeline(init_uri="init-2.mp4", first_ticks=0, starts_at=NOON)
    sequences = []
    for index in range(6):
        window = window.append(index * TWO, TWO)
        sequences.append(window.discontinuity_sequence)

    assert sequences == [0, 0, 0, 0, 1, 1]
    assert window.discontinuities == 1


def test_a_restarted_process_goes_on_from_the_kept_numbers_with_a_discontinuity():
    before = filled(3)
    after = Window(
        SHAPE, next_number=before.next_number, discontinuity_sequence=before.discontinuities
    ).begin_timeline(init_uri="init-3.mp4", first_ticks=0, starts_at=NOON)
    after = after.append(0, TWO)

    assert (after.segments[0].number, after.segments[0].discontinuity) == (3, True)
    assert after.discontinuities == 1


def test_a_timeline_that_starts_late_announces_the_gap_before_it():
    window = filled(1).begin_timeline(init_uri="init-1.mp4", first_ticks=0, starts_at=NOON)
    window = window.append(TWO, TWO)

    assert [(s.number, s.gap, s.discontinuity) for s in window.segments] == [
        (0, False, False),
        (1, True, True),
        (2, False, False),
    ]


@pytest.mark.parametrize(
    ("start_ticks", "duration_ticks", "code"),
    [
        (TWO, TWO, MediaCode.WENT_BACK),
        (0, TWO, MediaCode.WENT_BACK),
        (2 * TWO, 0, MediaCode.SEGMENT_LENGTH),
        (2 * TWO, 225_000, MediaCode.SEGMENT_LENGTH),  # 2.5 s rounds to 3
        (2 * TWO, 224_999, None),
        (6 * TWO, TWO, None),
        (7 * TWO, TWO, MediaCode.GAP_TOO_WIDE),
    ],
)
def test_a_feed_that_breaks_its_promise_is_faulted_and_the_window_is_unchanged(
    start_ticks, duration_ticks, code
):
    window = filled(2)
    before = window

    if code is None:
        window.append(start_ticks, duration_ticks)
        return
    with pytest.raises(MediaFault) as fault:
        window.append(start_ticks, duration_ticks)
    assert fault.value.code is code
    assert window == before


def test_nothing_is_listed_before_a_timeline_began():
    with pytest.raises(MediaFault) as fault:
        Window(SHAPE).append(0, TWO)
    assert fault.value.code is MediaCode.NO_TIMELINE


PARTS = Shape(segment_ticks=TWO, segments_max=4, part_ticks=18_000)  # 200 ms


def test_parts_are_named_after_their_segment_and_become_one():
    window = started(PARTS, first_number=7)
    for index in range(10):
        window = window.add_part(index * 18_000, 18_000, independent=index == 0)
    assert [part.uri for part in window.parts][::9] == ["part-7-0.m4s", "part-7-9.m4s"]

    window = window.close_segment()

    assert window.parts == ()
    [segment] = window.segments
    assert (segment.number, segment.duration_ticks, len(segment.parts)) == (7, TWO, 10)
    assert window.add_part(TWO, 18_000, independent=True).parts[0].uri == "part-8-0.m4s"


@pytest.mark.parametrize(
    ("start_ticks", "duration_ticks", "code"),
    [
        (18_001, 18_000, MediaCode.WENT_BACK),
        (18_000, 18_001, MediaCode.PART_LENGTH),
        (18_000, 0, MediaCode.PART_LENGTH),
    ],
)
def test_parts_follow_each_other_and_keep_to_their_target(start_ticks, duration_ticks, code):
    window = started(PARTS).add_part(0, 18_000, independent=True)

    with pytest.raises(MediaFault) as fault:
        window.add_part(start_ticks, duration_ticks, independent=False)
    assert fault.value.code is code


def test_a_segment_has_a_bounded_number_of_parts():
    window = started(PARTS)
    for index in range(64):
        window = window.add_part(index * 100, 100, independent=False)

    with pytest.raises(MediaFault) as fault:
        window.add_part(6400, 100, independent=False)
    assert fault.value.code is MediaCode.TOO_MANY_PARTS


def test_a_shape_that_no_playlist_may_have_is_a_bug():
    for shape in ({"segments_max": 3}, {"segments_max": 121}, {"segment_ticks": 0}):
        with pytest.raises(InvariantBroken):
            Shape(**shape)
    with pytest.raises(InvariantBroken):
        started().begin_timeline(init_uri="i", first_ticks=0, starts_at=datetime(2026, 1, 1))  # noqa: DTZ001  (naive on purpose)


@pytest.mark.parametrize(
    ("segment_ticks", "target_s"), [(TWO, 2), (180_001, 3), (90_000, 1), (45_000, 1)]
)
def test_the_target_duration_covers_every_segment_that_is_taken(segment_ticks, target_s):
    shape = Shape(segment_ticks=segment_ticks)

    assert shape.target_duration_s == target_s
    assert (2 * shape.longest_ticks + TICKS_PER_SECOND) // (2 * TICKS_PER_SECOND) <= target_s


@given(
    st.lists(st.one_of(st.integers(0, 6), st.just("restart")), max_size=60),
    st.integers(0, 10**9),
)
def test_numbers_only_grow_and_stay_contiguous_whatever_the_feed_does(steps, first_number):
    window = started(first_number=first_number)
    at = 0
    for step in steps:
        before = window
        if step == "restart":
            at = 0
            window = window.begin_timeline(init_uri="i", first_ticks=0, starts_at=NOON)
            continue
        at += step * TWO
        try:
            window = window.append(at, TWO)
        except MediaFault:
            assert window == before
            continue
        numbers = [segment.number for segment in window.segments]
        assert numbers == list(range(window.first_number, window.next_number))
        assert window.first_number >= before.first_number
        assert window.next_number > before.next_number
        assert window.discontinuity_sequence >= before.discontinuity_sequence
        assert 0 <= window.discontinuities - before.discontinuities <= 1
        assert len(numbers) <= 4

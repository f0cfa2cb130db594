"""What a table offers: joined rungs, numbers, times, files in memory and on disk."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kernel.clock import ManualClock
from streaming import journal
from streaming.anchor import Anchor
from streaming.joining import Joiner
from streaming.window import TICKS_PER_SECOND, MediaCode, MediaFault
from tests.pure.media_pieces import INIT, NOON, TWO, begin, files, fragment, live, publish, read


def test_memory_holds_what_may_be_asked_for_and_the_disk_more_for_the_archive(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 30)
    first = table.window.first_number

    kept = [f"segment-{number}.m4s" for number in range(first - 5, first + 4)]
    init = table.window.segments[0].timeline.init_uri
    for rung in ("360p", "240p"):
        assert all(table.named(rung, name) for name in [*kept, init])
        assert table.named(rung, f"segment-{first - 6}.m4s") is None
        assert len(files(table, rung)) == 31
        on_disk = (table.directory / rung / kept[-1]).read_bytes()
        assert on_disk == table.named(rung, kept[-1])
    assert table.named("540p", kept[-1]) is None


def test_the_journal_tells_the_archive_what_was_published_and_when(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 1)
    publish(table, 1, start=1, at=NOON + timedelta(seconds=2))

    first, second = journal.read(table.directory)
    segment = table.window.segments[0]
    assert (first.number, first.rung, first.file) == (segment.number, "360p", segment.uri)
    assert (first.init, first.codecs) == (segment.timeline.init_uri, "avc1.42c01e")
    assert first.starts_at == segment.starts_at == NOON - timedelta(seconds=2)
    assert (second.starts_at, second.ends_at) == (NOON, NOON + timedelta(seconds=2))


def test_a_journal_line_that_was_cut_off_is_passed_over(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 2)
    [path] = table.directory.glob("journal-*.jsonl")
    path.write_text(path.read_text()[:-20] + '\n{"number":1}\nnonsense\n')

    assert [entry.number for entry in journal.read(table.directory)] == [
        table.window.segments[0].number
    ]
    assert journal.read(tmp_path / "nowhere") == []


def test_an_old_timelines_init_is_kept_as_long_as_its_segments(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 3)
    old_init = table.window.segments[0].timeline.init_uri
    last_old = table.window.segments[-1].uri
    begin(table)
    for index in range(20):
        publish(table, 1, start=index)
        assert (table.named("240p", old_init) is None) == (table.named("240p", last_old) is None)
    assert table.named("240p", old_init) is None
    assert table.named("240p", table.window.segments[0].timeline.init_uri) == INIT


def test_a_restarted_process_goes_on_numbering_and_leaves_the_files_to_the_archive(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 3)
    stopped_at = table.window.next_number
    before = files(table)

    again = live(tmp_path)

    assert again.window.next_number == stopped_at
    assert again.window.discontinuities == table.window.discontinuities
    assert files(again) == before
    assert again.named("360p", before[-1]) is None
    begin(again)
    publish(again, 1)
    assert again.window.segments[0].discontinuity


def test_numbers_do_not_go_back_when_the_directory_was_lost_or_damaged(tmp_path):
    clock = ManualClock(NOON)
    table = live(tmp_path, clock)
    begin(table)
    publish(table, 3)
    (table.directory / "numbering.json").write_text("{")
    clock.advance(timedelta(seconds=6))

    assert live(tmp_path, clock).window.next_number >= table.window.next_number


def test_a_faulty_segment_is_neither_listed_nor_kept(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 2)
    before = files(table), table.window

    with pytest.raises(MediaFault):
        publish(table, 1)
    assert (files(table), table.window) == before


# --- rungs


def rung_fragments(count, length=TWO):
    return [piece for i in range(count) for piece in read(INIT + fragment(i * length))[1:]]


def test_a_segment_is_whole_when_every_rung_has_it_and_came_when_the_first_did():
    joiner = Joiner(["360p", "240p"])
    one, other = rung_fragments(2)

    assert list(joiner.add("360p", one, NOON)) == []
    assert list(joiner.add("360p", other, NOON + timedelta(seconds=2))) == []
    [whole] = joiner.add("240p", one, NOON + timedelta(seconds=3))

    assert whole.fragments == {"360p": one, "240p": one}
    assert (whole.arrived_at, whole.start_ticks, whole.duration_ticks) == (NOON, 0, TWO)


def test_rungs_that_begin_at_different_times_are_a_fault():
    joiner = Joiner(["360p", "240p"])
    one, other = rung_fragments(2)
    assert list(joiner.add("360p", one, NOON)) == []

    with pytest.raises(MediaFault) as fault:
        list(joiner.add("240p", other, NOON))
    assert fault.value.code is MediaCode.RUNGS_APART


def test_a_rung_that_lags_behind_the_others_for_long_is_a_fault():
    joiner = Joiner(["360p", "240p"])
    *first, last = rung_fragments(5)
    for piece in first:
        assert list(joiner.add("360p", piece, NOON)) == []

    with pytest.raises(MediaFault) as fault:
        list(joiner.add("360p", last, NOON))
    assert fault.value.code is MediaCode.RUNGS_APART


def test_a_timeline_begins_when_every_rung_has_its_init():
    joiner = Joiner(["360p", "240p"])
    [init] = read(INIT)

    assert joiner.begin("240p", init) is None
    assert joiner.begin("360p", init) == {"240p": init, "360p": init}


# --- wall-clock times


SECOND = TICKS_PER_SECOND
DELAY = timedelta(milliseconds=40)


def followed(late_ms, *, zero_at=NOON):
    """The anchor after fragments of one second that come so late each."""
    anchor = None
    for index, ms in enumerate(late_ms, start=1):
        arrived_at = zero_at + timedelta(seconds=index, milliseconds=ms) + DELAY
        if anchor is None:
            anchor = Anchor.first(arrived_at, index * SECOND, DELAY)
        else:
            anchor = anchor.follow(arrived_at, index * SECOND, DELAY)
    return anchor


def error_ms(anchor):
    return (anchor.zero_at - NOON) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("late_ms", "expected_error_ms"),
    [
        ([0], 0),  # what comes at once is exact: the encoder's own delay is taken off
        ([0, 90, 30, 120, 0, 70], 0),  # a busy machine makes fragments late, never the times
        ([100] + [0] * 5, 0),  # a slow first one is made up, 20 ms at a time
        ([100] + [0] * 3, 40),
        ([400, 0], 0),  # a very slow first one at once
        ([0] * 3 + [60] * 9, 0),  # for nine fragments it may be the machine …
        ([0] * 3 + [60] * 11, 40),  # … then it is the camera, and is followed slowly
        ([0] * 3 + [60] * 14, 60),
        ([0] * 3 + [3000] * 10, 3000),  # a camera that lost three seconds
    ],
)
def test_the_anchor_follows_the_earliest_arrivals(late_ms, expected_error_ms):
    assert error_ms(followed(late_ms)) == expected_error_ms


def test_a_drifting_camera_is_followed_within_its_drift():
    """200 parts in a million is a bad crystal: 0.2 ms a second."""
    late = [index // 5 for index in range(600)]

    assert abs(error_ms(followed(late)) - late[-1]) <= 3


def test_published_times_follow_the_anchor_and_those_already_listed_stay(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 1, at=NOON + timedelta(seconds=2, milliseconds=100))
    first = table.window.segments[0]
    publish(table, 1, start=1, at=NOON + timedelta(seconds=4))

    assert table.window.segments[0] == first
    assert first.starts_at == NOON + timedelta(milliseconds=100)
    assert table.window.segments[1].starts_at == NOON + timedelta(seconds=2, milliseconds=80)
    assert not table.window.segments[1].discontinuity

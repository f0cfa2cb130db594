"""Recorded wheel traffic: its form, its golden reading, and that it replays."""

import json
from pathlib import Path

import pytest

from studio.devices.archive import Archive
from studio.devices.findings import DeviceOrder
from studio.devices.slingshot.driver import OPENED, SlingshotDriver, replay
from studio.devices.slingshot.limits import Limits
from studio.simulated.chance import Chance
from studio.simulated.faults import Fault
from studio.simulated.replay import steps_of
from studio.simulated.table import Channel, TableSettings, TableSimulation
from studio.simulated.truth import TruthBook
from studio.transcript import BadTranscript, Direction, Record, line_of, records_of

SAMPLES = Path(__file__).parent.parent / "samples" / "studio"
TRANSCRIPT = SAMPLES / "wheel-three-rounds.transcript"
GOLDEN = SAMPLES / "wheel-three-rounds.observations.json"


def record_three_rounds(seed):  # noqa: C901  (a platform in twenty lines)
    """A simulated wheel's traffic over three results; the second round's first launch is void."""
    book = TruthBook(None, Chance(seed + b"truth"))
    table = TableSimulation(book, Chance(seed), TableSettings())
    driver = SlingshotDriver(Limits(), 0)
    records = [Record(0, Direction.MARK, OPENED)]
    cue, results, t = {"order": "launch", "round": 1}, 0, 0.0
    end = None
    while end is None or t < end:
        t = table.due_s
        table.hear_cue(cue, t)
        for said in table.advance(t):
            if said.channel is not Channel.WHEEL:
                continue
            at_us = round(said.at_s * 1_000_000)
            records.append(Record(at_us, Direction.FROM_DEVICE, said.content))
            for product in driver.feed(said.content, at_us // 1000):
                if isinstance(product, DeviceOrder):
                    records.append(Record(at_us, Direction.TO_DEVICE, product.content))
                    table.command(product.content, t)
                elif product.kind.value == "spin_started":
                    cue = cue | {"order": "confirm"}
                elif product.kind.value == "no_spin":
                    cue = cue | {"order": "respin"}
                elif product.kind.value == "result":
                    results += 1
                    cue = {"order": "wait" if results == 3 else "launch", "round": results + 1}
                    if results == 1:
                        table.faults.order(Fault.WRONG_DIRECTION)
                    if results == 3:
                        end = t + 8.0
    return records, [o.number for o in book.outcomes if o.number is not None]


def readings(records):
    return [
        {"at_ms": at_ms, "order": product.content.decode("ascii").strip()}
        if isinstance(product, DeviceOrder)
        else {"at_ms": at_ms, "kind": product.kind.value, "data": dict(product.data)}
        for at_ms, product in replay(records, Limits())
    ]


def sample():
    return list(records_of(TRANSCRIPT.read_text().splitlines(keepends=True)))


@pytest.mark.feature("F24")
def test_the_recorded_rounds_mean_exactly_what_is_written_beside_them():
    assert readings(sample()) == json.loads(GOLDEN.read_text())


def test_the_recording_holds_three_results_and_one_void_spin():
    kinds = [r["kind"] for r in readings(sample()) if "kind" in r]
    assert kinds.count("result") == 3
    assert kinds.count("no_spin") == 1
    assert kinds.count("spin_started") == 4
    assert not kinds.count("device_fault")


def test_however_the_bytes_are_cut_they_mean_the_same():
    records = sample()
    single = [
        Record(r.at_us, r.direction, bytes([byte])) if r.direction == "<" else r
        for r in records
        for byte in (r.content if r.direction == "<" else b".")
    ]
    assert readings(single) == readings(records)


def test_a_presenter_finds_her_moments_in_the_recording():
    steps = steps_of(sample())
    results = [r["data"]["number"] for r in readings(sample()) if r.get("kind") == "result"]
    shown = [step.shows for step in steps if step.shows is not None]
    assert sum(step.launches for step in steps) == 4
    assert shown == results


@pytest.mark.feature("F32")
def test_a_fresh_recording_tells_the_truth():
    records, truth = record_three_rounds(b"another")
    results = [r["data"]["number"] for r in readings(records) if r.get("kind") == "result"]
    assert results == truth


def test_lines_read_back_whatever_bytes_they_hold():
    record = Record(17, Direction.FROM_DEVICE, bytes(range(256)))
    line = line_of(record)
    assert line.isascii()
    assert line.count("\n") == 1
    assert list(records_of(["# remark\n", "\n", line])) == [record]
    assert line_of(Record(5, Direction.TO_DEVICE, b"*X;2; 7%\r\n")) == "5 > *X;2;%207%25%0D%0A\n"


def test_a_line_cut_by_a_crash_is_left_out_and_a_strange_one_is_refused():
    assert list(records_of(["1 < A\n", "2 < B"])) == [Record(1, Direction.FROM_DEVICE, b"A")]
    for line in ("x < A\n", "1 ? A\n", "1 <\n", "1\n", "1 < " + "A" * 20_000 + "\n"):
        with pytest.raises(BadTranscript, match="line 1"):
            list(records_of([line]))


def test_the_archive_appends_rotates_and_never_writes_into_an_old_file(tmp_path):
    archive = Archive(tmp_path, "wheel", bytes_max=50, files_max=3)
    for number in range(10):
        archive.keep(number, Direction.FROM_DEVICE, b"x" * 20)
    archive.close()
    names = [path.name for path in archive.files()]
    assert names == ["wheel-000004.log", "wheel-000005.log", "wheel-000006.log"]
    again = Archive(tmp_path, "wheel")
    again.keep(11, Direction.MARK, OPENED)
    again.close()
    assert again.files()[-1].name == "wheel-000007.log"
    assert again.files()[-1].read_text() == "11 ! opened\n"
    kept = [
        record
        for path in archive.files()
        for record in records_of(path.read_text().splitlines(keepends=True))
    ]
    assert [r.at_us for r in kept] == [6, 7, 8, 9, 11]


def test_an_archived_read_of_any_size_stays_within_the_line_limit(tmp_path):
    archive = Archive(tmp_path, "wheel")
    archive.keep(1, Direction.FROM_DEVICE, b"\xff" * 10_000)
    archive.close()
    (path,) = archive.files()
    records = list(records_of(path.read_text().splitlines(keepends=True)))
    assert b"".join(record.content for record in records) == b"\xff" * 10_000


if __name__ == "__main__":  # records the sample anew: python -m tests.pure.test_studio_transcript
    recorded, _ = record_three_rounds(b"sample")
    TRANSCRIPT.write_text(
        "# Slingshot 2 traffic of a simulated wheel at real speed, seen from the controller.\n"
        + "".join(line_of(record) for record in recorded)
    )
    GOLDEN.write_text(json.dumps(readings(sample()), indent=1) + "\n")

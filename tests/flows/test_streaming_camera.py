"""A camera's ladder through the real encoder: rungs alike, times true, and every fault survived."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from kernel.clock import SystemClock
from streaming import journal
from streaming.config import TableSource
from streaming.encoder import find_ffmpeg
from streaming.feed import Feed
from streaming.live import Live
from streaming.pipes import OutputPipes
from streaming.window import Shape
from studio.simulated.camera.code import read_code
from tests.flows.raw_camera import RawCamera
from tests.flows.stream_process import WAIT_S, Stream, alive
from tests.pure.media_pieces import INIT, TWO_RUNGS, fragment

SECOND = 90_000
#: Two rungs are enough to fall apart, and cheap enough for a busy machine.
LADDER = [
    {"name": "360p", "height": 360, "frames_per_second": 10, "rate_kbps": 400},
    {"name": "240p", "height": 240, "frames_per_second": 10, "rate_kbps": 200},
]
SIZES = {"360p": (640, 360), "240p": (426, 240)}
#: The goal is 150 ms; measured on an idle machine: 10 ms (docs/decisions/0032).
TIME_ERROR_MS_MAX = 150


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    camera = RawCamera(10)
    running = Stream(
        tmp_path_factory.mktemp("stream"),
        [
            {
                "id": "wheel",
                "name": "Wheel",
                "camera": f"tcp://127.0.0.1:{camera.port}",
                "ladder": LADDER,
            }
        ],
    )
    yield SimpleNamespace(camera=camera, stream=running)
    running.end()
    camera.stop()


def fetch(stream, rung, uri):
    reply = stream.http.get(f"/live/wheel/{rung}/{uri}")
    assert reply.status_code == 200
    return reply.content


def pictures(stream, rung, segment):
    """The luma of every picture of a segment, decoded with nothing but its init."""
    width, height = SIZES[rung]
    done = subprocess.run(
        [
            *(find_ffmpeg(os.environ), "-v", "error", "-i", "pipe:0"),
            *("-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"),
        ],
        input=fetch(stream, rung, segment.init_section.uri) + fetch(stream, rung, segment.uri),
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == b""
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width)


def playing(filmed, count=4):
    return filmed.stream.playlist_where(
        lambda read: len(read.segments) >= count and not read.segments[-1].discontinuity,
        "wheel",
        "360p",
    )


def test_every_rung_shows_the_same_pictures_under_the_same_number(filmed):
    newest = playing(filmed).segments[-1]
    larger, smaller = (
        [read_code(picture) for picture in pictures(filmed.stream, rung, newest)] for rung in SIZES
    )

    assert len(larger) == 10  # a second at 10 a second
    assert None not in larger
    assert larger == smaller


def test_all_rungs_are_listed_by_the_same_text_and_the_middle_one_first(filmed):
    playing(filmed)
    read = [filmed.stream.http.get(f"/live/wheel/{rung}/video.m3u8").text for rung in SIZES]
    index = filmed.stream.http.get("/live/wheel/index.m3u8").text

    assert read[0].splitlines()[:6] == read[1].splitlines()[:6]
    assert [line for line in index.splitlines() if not line.startswith("#")] == [
        "360p/video.m3u8",
        "240p/video.m3u8",
    ]


@pytest.mark.feature("F2")
def test_a_pictures_time_is_the_time_at_which_it_was_taken(filmed):
    """The page shows a result when its video has reached it: these times must be true."""
    errors = []
    for segment in playing(filmed, 6).segments[-3:]:
        starts_ms = segment.program_date_time.timestamp() * 1000
        for place, picture in enumerate(pictures(filmed.stream, "360p", segment)):
            errors.append(starts_ms + 100 * place - read_code(picture).at_ms)

    assert len(errors) == 30
    assert abs(sorted(errors)[15]) <= TIME_ERROR_MS_MAX


def test_a_camera_that_goes_and_comes_back_is_a_discontinuity_and_numbers_go_on(filmed):
    before = playing(filmed)
    last = filmed.stream.http.get("/healthz").json()["tables"]["wheel"]["next_number"] - 1
    filmed.camera.stop()

    def stale():
        table = filmed.stream.http.get("/healthz").json()["tables"]["wheel"]
        return table if table["state"] == "stale" else None

    assert filmed.stream.wait_for(stale)["ok"] is False
    listed = filmed.stream.playlist("wheel", "360p")  # what there was stays playable
    assert listed.media_sequence >= before.media_sequence
    filmed.camera.start()
    after = filmed.stream.playlist_where(
        lambda read: any(
            s.discontinuity and int(s.uri[8:-4]) > last and read.segments[-1] is not s
            for s in read.segments
        ),
        "wheel",
        "360p",
    )

    new = next(s for s in after.segments if s.discontinuity and int(s.uri[8:-4]) > last)
    old = after.segments[after.segments.index(new) - 1]
    assert int(new.uri[8:-4]) == int(old.uri[8:-4]) + 1
    assert new.program_date_time > old.program_date_time + timedelta(seconds=old.duration)
    stamp = read_code(pictures(filmed.stream, "360p", new)[0])
    assert abs(new.program_date_time.timestamp() * 1000 - stamp.at_ms) <= 500  # its very first


# --- faults that need an encoder which misbehaves on command


PIECES = INIT + fragment(0) + fragment(2 * SECOND)


class Hurt:
    """A feed whose encoder is a script: ``$1`` and ``$2`` are the descriptors of its two rungs."""

    def __init__(self, home, body):
        self.pieces = home / "pieces.mp4"
        script = home / "ffmpeg"
        finder = 'for word; do case $word in pipe:*) set -- "$@" ${word#pipe:};; esac; done'
        take = "while [ $# -gt 2 ]; do shift; done"
        script.write_text(f"#!/bin/bash\n{finder}\n{take}\n{body}\n")
        script.chmod(0o755)
        source = TableSource("wheel", "Wheel", "tcp://127.0.0.1:9", TWO_RUNGS)
        clock, shape = SystemClock(), Shape(segment_ticks=2 * SECOND)
        self.live = Live(home / "wheel", TWO_RUNGS, shape, clock, delay=timedelta(0))
        self.feed = Feed(source, self.live, str(script), clock)

    async def until(self, holds):
        running = asyncio.create_task(self.feed.run())
        try:
            async with asyncio.timeout(WAIT_S):
                while not holds():  # noqa: ASYNC110  (another process makes it true)
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def ended(caplog):
    return [r.facts["reason"] for r in caplog.records if r.getMessage() == "encoder_ended"]


async def test_a_rung_whose_pipe_closes_ends_the_encoder_and_a_new_timeline_begins(
    tmp_path, caplog
):
    pids = shlex.quote(str(tmp_path / "pids"))
    pieces = shlex.quote(str(tmp_path / "pieces.mp4"))
    hurt = Hurt(
        tmp_path,
        f'echo $$ >> {pids}; cat {pieces} >&$1; cat {pieces} >&$2; eval "exec $2>&-"; '
        "while :; do sleep 0.1; done",
    )
    hurt.pieces.write_bytes(PIECES)

    await hurt.until(lambda: len(journal.read(hurt.live.directory)) >= 4)

    assert ended(caplog)[0] == "it closed a rung and went on"
    first, second, third, *_ = hurt.live.window.segments
    assert [first.number + 1, first.number + 2] == [second.number, third.number]
    assert (second.discontinuity, third.discontinuity) == (False, True)
    for pid in (tmp_path / "pids").read_text().split():
        assert not alive(int(pid))


async def test_a_damaged_fragment_is_never_listed_and_the_encoder_is_replaced(tmp_path, caplog):
    pieces, damage = (shlex.quote(str(tmp_path / name)) for name in ("pieces.mp4", "damage"))
    journals = f"{shlex.quote(str(tmp_path / 'wheel'))}/journal-*.jsonl"
    hurt = Hurt(
        tmp_path,
        f"cat {pieces} >&$1; cat {pieces} >&$2; "
        f"until [ $(cat {journals} | wc -l) -ge 2 ]; do sleep 0.02; done; "
        f"cat {damage} >&$1; exec sleep 30",
    )
    hurt.pieces.write_bytes(PIECES)
    (tmp_path / "damage").write_bytes(b"\x00\x00\x00\x03mdat" + b"x" * 500)

    await hurt.until(lambda: hurt.live.restarts >= 1)

    assert "malformed" in ended(caplog)[0]
    numbers = [segment.number for segment in hurt.live.window.segments]
    assert len(numbers) == 2
    assert hurt.live.named("360p", f"segment-{numbers[-1] + 1}.m4s") is None


async def test_rungs_that_fall_apart_end_the_encoder(tmp_path, caplog):
    pieces, other = (shlex.quote(str(tmp_path / name)) for name in ("pieces.mp4", "other.mp4"))
    hurt = Hurt(tmp_path, f"cat {pieces} >&$1; cat {other} >&$2; exec sleep 30")
    hurt.pieces.write_bytes(PIECES)
    (tmp_path / "other.mp4").write_bytes(INIT + fragment(SECOND))

    await hurt.until(lambda: hurt.live.restarts >= 1)

    assert "rungs_apart" in ended(caplog)[0]
    assert hurt.live.window.segments == ()


async def test_a_full_disk_ends_the_encoder_and_the_picture_comes_back_with_space(tmp_path, caplog):
    pieces = shlex.quote(str(tmp_path / "pieces.mp4"))
    hurt = Hurt(tmp_path, f"cat {pieces} >&$1; cat {pieces} >&$2; exec sleep 30")
    hurt.pieces.write_bytes(PIECES)
    room = hurt.live.directory / "240p"
    room.rename(tmp_path / "elsewhere")
    room.touch()  # nothing can be written below a file

    def come_back():
        if hurt.live.restarts >= 1 and room.is_file():
            assert hurt.live.window.segments == ()
            room.unlink()
            room.mkdir()
        return len(hurt.live.window.segments) >= 2

    await hurt.until(come_back)

    assert ended(caplog)[0].startswith("cannot write: ")


def test_an_encoder_inherits_its_own_pipes_and_no_other_encoders():
    """One that held another's pipe open would hide that one's end from us."""
    with OutputPipes(2) as own, OutputPipes(2) as others:
        done = subprocess.run(
            ["ls", "/proc/self/fd"],
            pass_fds=own.write_ends,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        inherited = {int(number) for number in done.stdout.split()}

        assert set(own.write_ends) <= inherited
        assert not set(others.write_ends) & inherited

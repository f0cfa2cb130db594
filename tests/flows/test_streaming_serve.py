"""The real stream process with a real encoder: started, watched, hurt and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import m3u8
import pytest

from kernel.clock import SystemClock
from streaming import ladder
from streaming.config import TableSource
from streaming.encoder import find_ffmpeg
from streaming.feed import Feed
from streaming.live import Live
from streaming.pipes import OutputPipes
from streaming.window import Shape
from tests.flows.stream_process import ROOT, SITE, WAIT_S, Stream, alive, decoded_frames


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    running = Stream(
        tmp_path_factory.mktemp("stream"),
        [{"id": "alexandria", "name": "Alexandria", "camera": "card"}],
    )
    yield running
    running.end()


@pytest.mark.feature("F2")
def test_the_playlist_advances_and_its_times_are_the_walls(stream):
    first = stream.playlist()
    later = stream.playlist_where(lambda read: read.segments[-1].uri != first.segments[-1].uri)

    assert later.media_sequence >= first.media_sequence
    assert later.target_duration == 1
    assert {segment.duration for segment in later.segments} == {1.0}
    newest = later.segments[-1]
    age = datetime.now(UTC) - newest.program_date_time
    assert timedelta(seconds=0.9) <= age < timedelta(seconds=4)


def test_the_multivariant_playlist_names_what_is_really_sent(stream):
    stream.playlist()
    reply = stream.http.get("/live/alexandria/index.m3u8", headers={"Origin": SITE})
    [rung] = m3u8.loads(reply.text).playlists

    assert reply.headers["access-control-allow-origin"] == SITE
    assert rung.stream_info.resolution == (320, 180)
    assert rung.stream_info.frame_rate == 5
    assert rung.stream_info.codecs.startswith("avc1.")
    for segment in stream.playlist().segments:
        body = stream.http.get(f"/live/alexandria/180p/{segment.uri}").content
        assert len(body) * 8 / segment.duration <= rung.stream_info.bandwidth


def test_each_segment_decodes_alone_after_its_init_and_lies_on_disk_too(stream):
    newest = stream.playlist().segments[-1]
    init = stream.http.get(f"/live/alexandria/180p/{newest.init_section.uri}").content
    reply = stream.http.get(f"/live/alexandria/180p/{newest.uri}")

    assert reply.headers["content-type"] == "video/mp4"
    assert decoded_frames(init + reply.content) == 5  # 1 s at 5 frames per second
    assert (stream.state / "alexandria" / "180p" / newest.uri).read_bytes() == reply.content


def test_the_poster_is_a_small_picture_of_the_table(stream):
    from io import BytesIO

    from PIL import Image

    def fetch():
        reply = stream.http.get("/live/alexandria/poster.jpg")
        return reply if reply.status_code == 200 else None

    reply = stream.wait_for(fetch)

    assert reply.headers["content-type"] == "image/jpeg"
    with Image.open(BytesIO(reply.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 360))
    assert len(reply.content) <= 48 * 1024


def test_health_says_how_old_the_newest_segment_is(stream):
    stream.playlist()
    reply = stream.http.get("/healthz")
    table = reply.json()["tables"]["alexandria"]

    assert (reply.status_code, reply.json()["ok"], table["ok"]) == (200, True, True)
    assert 0 <= table["segment_age_ms"] <= 3000


def test_a_path_that_climbs_out_is_refused_over_a_raw_socket(stream):
    stream.playlist()
    for path in (
        b"/live/alexandria/../../../../etc/passwd",
        b"/live/alexandria/%2e%2e%2fstream.json",
    ):
        with socket.create_connection(("127.0.0.1", stream.port), timeout=5) as raw:
            raw.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 404 ")


def test_a_killed_encoder_is_started_again_and_the_numbers_go_on(stream):
    before = stream.playlist()
    encoders = len(stream.encoders())
    os.kill(stream.encoders()[-1], signal.SIGKILL)

    after = stream.playlist_where(lambda read: any(s.discontinuity for s in read.segments[1:]))

    new = next(s for s in after.segments[1:] if s.discontinuity)
    old = after.segments[after.segments.index(new) - 1]
    number = int(new.uri.removeprefix("segment-").removesuffix(".m4s"))
    assert old.uri == f"segment-{number - 1}.m4s"
    assert new.init_section.uri == f"init-{number}.mp4"
    assert after.media_sequence >= before.media_sequence
    assert new.program_date_time > old.program_date_time
    init = stream.http.get(f"/live/alexandria/180p/{new.init_section.uri}").content
    body = stream.http.get(f"/live/alexandria/180p/{new.uri}").content
    assert decoded_frames(init + body) == 5
    assert len(stream.encoders()) == encoders + 1
    assert stream.logged("encoder_ended")[-1]["reason"] == "exit status -9"


def test_sigterm_stops_everything_and_a_second_start_goes_on_numbering(tmp_path):
    tables = [{"id": "alexandria", "name": "Alexandria", "camera": "card"}]
    first = Stream(tmp_path, tables)
    try:
        last = first.playlist().segments[-1].uri
        [encoder] = first.encoders()
        assert alive(encoder)

        assert first.stop() == 0

        assert not alive(encoder)
        assert first.logged("stopped") == [first.logged("stopped")[0]]
        assert first.logged("stopped")[0]["asked"] is True
    finally:
        first.end()
    second = Stream(tmp_path, tables)
    try:
        segment = second.playlist().segments[0]
        assert segment.discontinuity
        assert int(segment.uri[8:-4]) > int(last[8:-4])
    finally:
        second.end()


def test_encoders_end_by_themselves_when_the_process_is_killed(tmp_path):
    running = Stream(tmp_path, [{"id": "a", "name": "A", "camera": "card"}])
    running.playlist("a")
    [encoder] = running.encoders()
    running.end()  # SIGKILL

    deadline = time.monotonic() + 10
    while alive(encoder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(encoder)


def test_a_camera_file_plays_for_ever_beside_one_that_is_not_there(tmp_path):
    clip = tmp_path / "wheel.mp4"
    subprocess.run(
        [
            *(find_ffmpeg(os.environ), "-v", "error", "-f", "lavfi", "-i"),
            *("testsrc=size=320x240:rate=25:duration=1", "-pix_fmt", "yuv420p", str(clip)),
        ],
        check=True,
        timeout=30,
    )
    running = Stream(
        tmp_path / "home",
        [
            {"id": "wheel", "name": "Wheel", "camera": str(clip)},
            {"id": "lost", "name": "Lost", "camera": str(tmp_path / "none.mp4")},
        ],
    )
    try:
        read = running.playlist_where(lambda read: len(read.segments) >= 2, "wheel", "360p")
        assert {segment.duration for segment in read.segments} == {1.0}  # beyond the clip's end
        health = running.http.get("/healthz")
        running.wait_for(lambda: len(running.logged("encoder_ended")) >= 2)

        assert (health.status_code, health.json()["tables"]["wheel"]["ok"]) == (503, True)
        assert health.json()["tables"]["lost"]["segment_age_ms"] is None
        assert running.http.get("/live/lost/index.m3u8").status_code == 503
        ended = running.logged("encoder_ended")
        assert {line["table"] for line in ended} == {"lost"}
        waits = [line["restart_in_ms"] for line in ended]
        assert waits[:2] == [500, 1000]
        said = [line["line"] for line in running.logged("encoder_said")]
        assert any("No such file" in line for line in said)
        assert not any("none.mp4" in line for line in said)  # an address may hold a password
        assert running.stop() == 0
    finally:
        running.end()


async def test_an_encoder_that_hangs_and_ignores_sigterm_is_replaced_and_none_is_left(tmp_path):
    pids = tmp_path / "pids"
    hung = tmp_path / "ffmpeg"
    hung.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ >> {pids}\nwhile :; do sleep 0.1; done\n")
    hung.chmod(0o755)
    clock = SystemClock()
    live = Live(tmp_path / "a", ladder.CARD, Shape(), clock, delay=timedelta(0))
    feed = Feed(TableSource("a", "A", "card", ladder.CARD), live, str(hung), clock)
    feed.silence_ms_max = 1_000  # the script must have come to its trap, also on a busy machine

    running = asyncio.create_task(feed.run())
    async with asyncio.timeout(WAIT_S):
        while not pids.exists() or len(pids.read_text().split()) < 2:  # noqa: ASYNC110  (another process writes it)
            await asyncio.sleep(0.02)
    assert not alive(int(pids.read_text().split()[0]))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert feed.live.restarts >= 1
    assert live.segment_age_ms() is None
    async with asyncio.timeout(WAIT_S):  # killed, and soon seen to be gone
        while any(alive(int(pid)) for pid in pids.read_text().split()):  # noqa: ASYNC110  (the kernel ends it)
            await asyncio.sleep(0.02)


async def test_a_feed_that_is_cancelled_as_its_encoder_starts_leaves_none(tmp_path, monkeypatch):
    pids = tmp_path / "pids"
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho $$ >> {pids}\nexec sleep 600\n")
    program.chmod(0o755)
    opening = asyncio.Event()

    async def never(_pipes):
        opening.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(OutputPipes, "readers", never)
    clock = SystemClock()
    live = Live(tmp_path / "a", ladder.CARD, Shape(), clock, delay=timedelta(0))
    feed = Feed(TableSource("a", "A", "card", ladder.CARD), live, str(program), clock)
    running = asyncio.create_task(feed.run())
    async with asyncio.timeout(WAIT_S):
        await opening.wait()
        while not (pids.exists() and pids.read_text().strip()):  # noqa: ASYNC110  (another process writes it)
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with asyncio.timeout(WAIT_S):
        while any(alive(int(pid)) for pid in pids.read_text().split()):  # noqa: ASYNC110  (the kernel ends it)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("config", "status", "event"),
    [
        ("{", 2, "bad_configuration"),
        ('{"port": 1}', 2, "bad_configuration"),
        (None, 2, "bad_configuration"),
        ("taken", 1, "cannot_start"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(tmp_path, config, status, event):
    path = tmp_path / "stream.json"
    with socket.create_server(("127.0.0.1", 0)) as other:
        if config == "taken":
            config = json.dumps(
                {
                    "state_dir": str(tmp_path / "state"),
                    "port": other.getsockname()[1],
                    "tables": [{"id": "a", "name": "A", "camera": "card"}],
                }
            )
        if config is not None:
            path.write_text(config)
        done = subprocess.run(
            [sys.executable, "-m", "streaming.serve", "--config", str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    [line] = done.stderr.splitlines()
    assert (done.returncode, json.loads(line)["event"]) == (status, event)
    assert json.loads(line)["why"]
    assert done.stdout == ""

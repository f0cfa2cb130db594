"""Box reading, configuration, files and HTTP answers of the stream process, without an encoder."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta
from pathlib import Path

import m3u8
import pytest
from PIL import Image

from kernel.clock import ManualClock
from streaming import card, encoder, ladder, logs
from streaming.config import ConfigError, TableSource, load, parse
from streaming.feed import Feed, restart_wait_ms
from streaming.ladder import Rung
from streaming.origin import Origin
from streaming.poster import POSTER_BYTES_MAX
from streaming.window import Shape
from tests.pure.media_pieces import NOON, TWO_RUNGS, begin, live, publish

SITE = "https://play.example"
CARD = TableSource("alexandria", "Alexandria", "card", ladder.CARD)


# --- configuration


TABLE = {"id": "alexandria", "name": "Alexandria", "camera": "card"}
RUNG = {"name": "360p", "height": 360, "frames_per_second": 30, "rate_kbps": 800}
GOOD = {
    "state_dir": "/tmp/x",
    "port": 8030,
    "allowed_origins": [SITE],
    "tables": [TABLE],
}


def test_a_configuration_is_read():
    config = parse(GOOD)

    assert (config.host, config.port, config.allowed_origins) == ("127.0.0.1", 8030, {SITE})
    assert config.tables == (CARD,)


def test_a_camera_gets_the_full_ladder_unless_the_file_lists_another():
    camera = TABLE | {"camera": "tcp://127.0.0.1:7104"}
    [usual] = parse(GOOD | {"tables": [camera]}).tables
    [own] = parse(GOOD | {"tables": [camera | {"ladder": [RUNG], "camera_delay_ms": 180}]}).tables

    assert [rung.name for rung in usual.ladder] == ["360p", "240p", "540p"]
    assert own.ladder == (Rung("360p", 360, 30, 800),)
    assert (own.camera_delay_ms, own.is_raw) == (180, True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"port": "8030"}, "port"),
        ({"port": True}, "port"),
        ({"port": 65536}, "port"),
        ({"state_dir": ""}, "state_dir"),
        ({"secret": 1}, "unknown secret"),
        ({"tables": []}, "tables"),
        ({"tables": GOOD["tables"] * 2}, "same id"),
        ({"tables": [{"id": "../x", "name": "x", "camera": "card"}]}, "id"),
        ({"tables": [{"id": "a", "name": "x"}]}, "lacks camera"),
        ({"tables": [{"id": "a", "name": "x", "camera": "concat://a|b"}]}, "scheme"),
        ({"tables": [{"id": "a", "name": "x\ny", "camera": "card"}]}, "name"),
        ({"tables": [{**TABLE, "ladder": []}]}, "ladder"),
        ({"tables": [{**TABLE, "ladder": [RUNG, RUNG]}]}, "same name"),
        ({"tables": [{**TABLE, "ladder": [RUNG | {"name": "../x"}]}]}, "name"),
        ({"tables": [{**TABLE, "ladder": [RUNG | {"height": "360"}]}]}, "height"),
        ({"tables": [{**TABLE, "ladder": [RUNG | {"frames_per_second": 61}]}]}, "frames"),
        ({"tables": [{**TABLE, "camera_delay_ms": -1}]}, "camera_delay_ms"),
        ({"allowed_origins": ["https://play.example/"]}, "origin"),
        ({"allowed_origins": ["*"]}, "origin"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line_saying_why(change, why):
    with pytest.raises(ConfigError) as error:
        parse(GOOD | change)

    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_broken_file_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        load(tmp_path / "broken.json")


def test_ffmpeg_is_the_one_that_the_environment_names():
    with pytest.raises(ConfigError, match="FFMPEG_BINARY"):
        encoder.find_ffmpeg({"FFMPEG_BINARY": "/nonexistent/ffmpeg"})
    assert encoder.find_ffmpeg({"FFMPEG_BINARY": "/bin/sh"}) == "/bin/sh"


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ("rtsp://10.0.0.5/wheel", ["-i", "rtsp://10.0.0.5/wheel"]),
        ("-wheel.mp4", ["-re", "-stream_loop", "-1", "-i", "file:-wheel.mp4"]),
        (
            "tcp://10.0.0.5:7104",
            [
                "-use_wallclock_as_timestamps",
                "1",
                "-f",
                "yuv4mpegpipe",
                "-i",
                "tcp://10.0.0.5:7104",
            ],
        ),
    ],
)
def test_a_camera_is_a_url_or_a_file_and_never_an_option(camera, expected):
    source = TableSource("a", "A", camera, TWO_RUNGS)
    line = encoder.command("ffmpeg", source, Shape(), Path("p.jpg"), (7, 9))

    at = line.index(expected[0])
    assert line[at : at + len(expected)] == expected


def test_each_rung_has_its_pipe_and_a_key_frame_each_second_at_the_same_pictures():
    source = TableSource("a", "A", "tcp://127.0.0.1:7104", ladder.FULL)
    line = encoder.command("ffmpeg", source, Shape(), Path("p.jpg"), (7, 9, 11))

    assert [word for word in line if word.startswith("pipe:")] == ["pipe:7", "pipe:9", "pipe:11"]
    maps = [line[at + 1] for at, word in enumerate(line) if word == "-map"]
    assert maps == ["[360p]", "[240p]", "[540p]", "[poster]"]
    for word in ("-g", "-keyint_min"):
        assert [line[at + 1] for at, found in enumerate(line) if found == word] == ["30"] * 3
    graph = line[line.index("-filter_complex") + 1]
    assert graph.split(";")[1:4] == [
        "[picture]scale=-2:540,split=2[540p][below0]",
        "[below0]scale=-2:360,split=2[360p][below1]",
        "[below1]scale=-2:240[240p]",
    ]


def test_restarts_wait_longer_and_longer_up_to_ten_seconds():
    waits = [restart_wait_ms(failures) for failures in (0, 1, 2, 4, 5, 1000)]

    assert waits == [500, 1000, 2000, 8_000, 10_000, 10_000]


def test_the_card_shows_name_and_time_and_is_repainted_once_a_second():
    picture = card.Card("Alexandria")
    now = picture.paint(NOON)

    assert len(now) == card.WIDTH * card.HEIGHT * 3
    assert picture.paint(NOON + timedelta(milliseconds=800)) is now
    assert picture.paint(NOON + timedelta(seconds=1)) != now
    colours = Image.frombytes("RGB", (card.WIDTH, card.HEIGHT), now).getcolors(maxcolors=10_000)
    assert len(colours) > 3  # ground, ink and its soft edges


# --- HTTP


@pytest.fixture
def served(tmp_path):
    source = TableSource("alexandria", "Alexandria", "tcp://127.0.0.1:7104", TWO_RUNGS)
    feed = Feed(source, live(tmp_path), "ffmpeg", ManualClock(NOON))
    return feed, Origin({"alexandria": feed}, frozenset({SITE}))


async def ask(application, path, method="GET", origin=None):
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"origin", origin.encode())] if origin else []
    await application(
        {"type": "http", "method": method, "path": path, "headers": headers}, None, send
    )
    start, body = sent
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body["body"]


async def test_before_the_first_segment_players_are_asked_to_come_back(served):
    _, application = served

    status, headers, _ = await ask(application, "/live/alexandria/index.m3u8")
    assert (status, headers["retry-after"], headers["cache-control"]) == (503, "1", "no-store")
    status, _, body = await ask(application, "/healthz")
    assert status == 503
    assert json.loads(body)["tables"]["alexandria"]["segment_age_ms"] is None


async def test_playlists_init_and_segments_have_their_types_and_cache_rules(served):
    feed, application = served
    begin(feed.live)
    publish(feed.live, 3)
    feed.live.poster.write_bytes(b"jpeg")
    segment = feed.live.window.segments[-1].uri
    init = feed.live.window.segments[-1].timeline.init_uri
    playlist_type = "application/vnd.apple.mpegurl"
    fixed = "public, max-age=60, immutable"

    for name, content_type, cache in (
        ("index.m3u8", playlist_type, "no-cache"),
        ("360p/video.m3u8", playlist_type, "no-cache"),
        (f"240p/{segment}", "video/mp4", fixed),
        (f"360p/{init}", "video/mp4", fixed),
        ("poster.jpg", "image/jpeg", "public, max-age=3"),
    ):
        status, headers, body = await ask(application, f"/live/alexandria/{name}")
        assert (status, headers["content-type"], headers["cache-control"]) == (
            200,
            content_type,
            cache,
        )
        assert headers["content-length"] == str(len(body))
        assert headers["x-content-type-options"] == "nosniff"
        head = await ask(application, f"/live/alexandria/{name}", method="HEAD")
        assert head == (200, headers, b"")

    assert (await ask(application, "/healthz"))[0] == 200


async def test_the_multivariant_playlist_begins_in_the_middle_of_the_ladder(served):
    feed, application = served
    begin(feed.live)
    publish(feed.live, 1)

    body = (await ask(application, "/live/alexandria/index.m3u8"))[2].decode()
    first, second = m3u8.loads(body).playlists

    assert (first.uri, second.uri) == ("360p/video.m3u8", "240p/video.m3u8")
    assert first.stream_info.codecs == "avc1.42c01e"
    assert first.stream_info.resolution == (320, 180)
    assert (first.stream_info.bandwidth, second.stream_info.bandwidth) == (1_320_000, 660_000)
    assert first.stream_info.average_bandwidth == 880_000


async def test_all_rungs_have_the_same_numbers_and_times(served):
    feed, application = served
    begin(feed.live)
    publish(feed.live, 3)

    bodies = {
        (await ask(application, f"/live/alexandria/{rung}/video.m3u8"))[2]
        for rung in ("360p", "240p")
    }
    assert len(bodies) == 1


async def test_a_poster_that_is_too_large_is_made_to_fit(served):
    feed, application = served
    noise = Image.effect_noise((640, 360), 90)
    noise.convert("RGB").save(feed.live.poster, "JPEG", quality=95)
    assert feed.live.poster.stat().st_size > POSTER_BYTES_MAX

    status, _, body = await ask(application, "/live/alexandria/poster.jpg")

    assert status == 200
    assert len(body) <= POSTER_BYTES_MAX
    with Image.open(io.BytesIO(body)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 360))


async def test_health_names_each_tables_state_and_rungs(served):
    feed, application = served
    begin(feed.live)
    publish(feed.live, 1)

    table = json.loads((await ask(application, "/healthz"))[2])["tables"]["alexandria"]

    assert (table["state"], table["rungs"], table["ok"]) == ("live", ["360p", "240p"], True)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/live/alexandria/",
        "/live/alexandria/numbering.json",
        "/live/alexandria/../alexandria/numbering.json",
        "/live/alexandria/../../etc/passwd",
        "/live/../alexandria/index.m3u8",
        "/live/alexandria//etc/passwd",
        "/live/alexandria/..",
        "/live/alexandria/segment-1.m4s\x00",
        "/live/alexandria/segment-1.m4s/",
        "/live/cairo/index.m3u8",
        "/live/alexandria/segment-1.m4s",
        "/live/alexandria/360p/segment-1.m4s",
        "/live/alexandria/360p/poster.jpg",
        "/live/alexandria/360p/../numbering.json",
        "/live/alexandria/540p/video.m3u8",
        "/live/alexandria/video.m3u8",
    ],
)
async def test_nothing_else_is_served_whatever_lies_on_disk(served, path):
    feed, application = served
    begin(feed.live)
    publish(feed.live, 1)

    status, headers, body = await ask(application, path)

    assert (status, headers["cache-control"], body) == (404, "no-store", b"Not found.\n")


async def test_other_pages_may_not_read_the_stream_and_the_site_may(served):
    _, application = served

    _, headers, _ = await ask(application, "/healthz", origin=SITE)
    assert headers["access-control-allow-origin"] == SITE
    _, headers, _ = await ask(application, "/healthz", origin="https://evil.example")
    assert "access-control-allow-origin" not in headers
    assert headers["vary"] == "Origin"
    status, headers, _ = await ask(application, "/x", method="OPTIONS", origin=SITE)
    assert (status, headers["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_written(served, method):
    status, headers, _ = await ask(served[1], "/live/alexandria/index.m3u8", method=method)

    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_log_line_is_one_line_of_json_with_its_facts():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines(ManualClock(NOON)))
    record = logging.LogRecord("faro.stream", logging.INFO, "", 0, "encoder_said", (), None)
    record.facts = {"line": "two\nlines"}
    handler.emit(record)

    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {
        "at": "2026-06-01T12:00:00.000+00:00",
        "level": "info",
        "process": "stream",
        "event": "encoder_said",
        "line": "two\nlines",
    }

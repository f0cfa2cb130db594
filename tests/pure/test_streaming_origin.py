"""Box reading, configuration, files and HTTP answers of the stream process, without an encoder."""

from __future__ import annotations

import io
import json
import logging
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kernel.clock import ManualClock
from streaming import card, encoder, logs
from streaming.boxes import Fragment, FragmentReader, Init
from streaming.config import ConfigError, TableSource, load, parse
from streaming.feed import Feed, restart_wait_ms
from streaming.live import Live
from streaming.origin import Origin
from streaming.window import TICKS_PER_SECOND, MediaCode, MediaFault, Shape

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TWO = 2 * TICKS_PER_SECOND
SITE = "https://play.example"
CARD = TableSource("alexandria", "Alexandria", "card")


# --- boxes, made by hand after ISO/IEC 14496-12


def box(kind, *content):
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def moov(*, timescale=90_000, sample_ticks=18_000, entry=b"avc1"):
    avcc = box(b"avcC", bytes([1, 0x42, 0xC0, 0x1E, 0xFF]))
    picture = bytes(24) + struct.pack(">HH", 320, 180) + bytes(50)
    stsd = box(b"stsd", bytes(4), struct.pack(">I", 1), box(entry, picture, avcc))
    mdhd = box(b"mdhd", bytes(12), struct.pack(">I", timescale), bytes(8))
    hdlr = box(b"hdlr", bytes(8), b"vide", bytes(13))
    minf = box(b"minf", box(b"stbl", stsd))
    tkhd = box(b"tkhd", bytes(12), struct.pack(">I", 1), bytes(68))
    trex = box(b"trex", struct.pack(">6I", 0, 1, 1, sample_ticks, 0, 0))
    sound = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"soun", bytes(13))))
    video = box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf))
    return box(b"moov", sound, video, box(b"mvex", trex))


INIT = box(b"ftyp", b"iso5") + moov()


def fragment(start_ticks=0, samples=10, durations=None):
    tfhd = box(b"tfhd", struct.pack(">II", 0x020000, 1))
    tfdt = box(b"tfdt", struct.pack(">IQ", 0x01000000, start_ticks))
    if durations is None:
        trun = box(b"trun", struct.pack(">II", 0, samples))
    else:
        entries = b"".join(struct.pack(">II", ticks, 99) for ticks in durations)
        trun = box(b"trun", struct.pack(">IIi", 0x301, len(durations), 8), entries)
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", tfhd, tfdt, trun)) + box(b"mdat", b"x")


def read(data, chunk=None):
    reader = FragmentReader()
    chunk = chunk or len(data)
    return [
        piece
        for at in range(0, len(data), chunk)
        for piece in reader.feed(data[at : at + chunk])
    ]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 7, 1000, None])
def test_pieces_are_found_however_the_pipe_cuts_them(chunk):
    init, one, other = read(INIT + fragment(0) + box(b"free") + fragment(TWO), chunk)

    assert init == Init(INIT, 1, "avc1.42c01e", 320, 180, 18_000)
    assert one == Fragment(fragment(0), 0, TWO)
    assert other == Fragment(fragment(TWO), TWO, TWO)


def test_durations_given_per_sample_are_summed():
    [_, piece] = read(INIT + fragment(90, durations=[3000, 3003, 2997]))

    assert (piece.start_ticks, piece.duration_ticks) == (90, 9000)


@pytest.mark.parametrize(
    "data",
    [
        fragment(0),  # no moov
        INIT + box(b"mdat", b"x"),  # no moof
        box(b"ftyp") + moov(timescale=12_800),
        box(b"ftyp") + moov(entry=b"hvc1"),
        box(b"moov"),
        INIT + fragment(samples=0),
        struct.pack(">I4s", 7, b"moof"),
        struct.pack(">I4s", 0, b"mdat"),
        struct.pack(">I4s", 25_000_001, b"mdat"),
        INIT + box(b"moof", box(b"traf", b"\x00\x00\x00\x40tfhd")) + box(b"mdat"),
    ],
)
def test_what_does_not_hold_is_malformed_and_never_guessed(data):
    with pytest.raises(MediaFault) as fault:
        read(data)
    assert fault.value.code is MediaCode.MALFORMED


@given(st.integers(0, len(INIT + fragment()) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_streams_are_read_or_malformed_and_nothing_else(at, damage):
    data = bytearray(INIT + fragment())
    data[at : at + len(damage)] = damage
    try:
        read(bytes(data))
    except MediaFault as fault:
        assert fault.code is MediaCode.MALFORMED  # noqa: PT017  (any fault is fine but this kind)


# --- configuration


GOOD = {
    "state_dir": "/tmp/x",
    "port": 8030,
    "allowed_origins": [SITE],
    "tables": [{"id": "alexandria", "name": "Alexandria", "camera": "card"}],
}


def test_a_configuration_is_read():
    config = parse(GOOD)

    assert (config.host, config.port, config.allowed_origins) == ("127.0.0.1", 8030, {SITE})
    assert config.tables == (CARD,)


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
    ],
)
def test_a_camera_is_a_url_or_a_file_and_never_an_option(camera, expected):
    line = encoder.command("ffmpeg", TableSource("a", "A", camera), Shape(), Path("p.jpg"))

    at = line.index(expected[0])
    assert line[at : at + len(expected)] == expected


def test_restarts_wait_longer_and_longer_up_to_half_a_minute():
    waits = [restart_wait_ms(failures) for failures in (0, 1, 2, 6, 7, 1000)]

    assert waits == [500, 1000, 2000, 30_000, 30_000, 30_000]


def test_the_card_shows_name_and_time_and_is_repainted_once_a_second():
    picture = card.Card("Alexandria")
    now = picture.paint(NOON)

    assert len(now) == card.WIDTH * card.HEIGHT * 3
    assert picture.paint(NOON + timedelta(milliseconds=800)) is now
    assert picture.paint(NOON + timedelta(seconds=1)) != now
    colours = Image.frombytes("RGB", (card.WIDTH, card.HEIGHT), now).getcolors(maxcolors=10_000)
    assert len(colours) > 3  # ground, ink and its soft edges


# --- files and numbers


def live(tmp_path, clock=None):
    return Live(tmp_path / "alexandria", Shape(segments_max=4), clock or ManualClock(NOON))


def publish(table, count, start=0):
    for index in range(start, start + count):
        for piece in read(INIT + fragment(index * TWO))[1:]:
            table.publish(piece)


def begin(table):
    [init] = read(INIT)
    table.begin(init)


def files(table):
    return sorted(path.name for path in table.directory.iterdir())


def test_only_what_may_be_asked_for_is_kept_in_memory_and_on_disk(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 30)
    first = table.window.first_number

    kept = [f"segment-{number}.m4s" for number in range(first - 5, first + 4)]
    init = table.window.segments[0].timeline.init_uri
    assert files(table) == sorted([*kept, init, "numbering.json"])
    assert all(table.named(name) for name in [*kept, init])
    assert table.named(f"segment-{first - 6}.m4s") is None
    assert (table.directory / kept[-1]).read_bytes() == table.named(kept[-1])


def test_an_old_timelines_init_is_kept_as_long_as_its_segments(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 3)
    old_init = table.window.segments[0].timeline.init_uri
    last_old = table.window.segments[-1].uri
    begin(table)
    for index in range(20):
        publish(table, 1, start=index)
        assert (table.named(old_init) is None) == (table.named(last_old) is None)
    assert table.named(old_init) is None
    assert table.named(table.window.segments[0].timeline.init_uri) == INIT


def test_a_restarted_process_goes_on_numbering_and_drops_the_old_files(tmp_path):
    table = live(tmp_path)
    begin(table)
    publish(table, 3)
    stopped_at = table.window.next_number

    again = live(tmp_path)

    assert again.window.next_number == stopped_at
    assert again.window.discontinuities == table.window.discontinuities
    assert files(again) == ["numbering.json"]
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


# --- HTTP


@pytest.fixture
def served(tmp_path):
    feed = Feed(CARD, live(tmp_path), "ffmpeg", ManualClock(NOON))
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
        ("video.m3u8", playlist_type, "no-cache"),
        (segment, "video/mp4", fixed),
        (init, "video/mp4", fixed),
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

    [rung] = m3u8.loads(
        (await ask(application, "/live/alexandria/index.m3u8"))[2].decode()
    ).playlists
    assert (rung.uri, rung.stream_info.codecs) == ("video.m3u8", "avc1.42c01e")
    assert rung.stream_info.resolution == (320, 180)
    assert (await ask(application, "/healthz"))[0] == 200


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

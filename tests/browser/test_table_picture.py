"""The picture on the table page: a live HLS stream that is really played, and what waits for it."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import imageio_ffmpeg
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.fake_push import FakePush, now_ms

SEGMENTS = 60
SEGMENT_MS = 1_000
WINDOW = 6
#: The stream began so long ago when a page opens it.
AGE_MS = 10_000
START_MS = 20_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A minute of moving picture in segments of one second."""
    home = tmp_path_factory.mktemp("live")
    source = f"testsrc2=size=320x180:rate=15:duration={SEGMENTS}"
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source]
    words += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"]
    words += ["-pix_fmt", "yuv420p", "-g", "15", "-sc_threshold", "0"]
    words += ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0"]
    words += ["-hls_segment_type", "fmp4", "-hls_segment_filename", str(home / "%d.m4s")]
    subprocess.run([*words, str(home / "all.m3u8")], check=True, timeout=120)
    return home


class Stream:
    """The recorded minute as a live stream that began ``AGE_MS`` ago."""

    def __init__(self, page: Page, home: Path) -> None:
        self.home = home
        self.began_ms = now_ms() - AGE_MS
        self.asked: list[str] = []
        self.down = False
        page.route("**/live-test/**", self._serve)

    def _serve(self, route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        self.asked.append(name)
        if self.down:
            route.abort()
        elif name == "index.m3u8":
            codecs = 'CODECS="avc1.42c00d",RESOLUTION=320x180'
            body = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=400000,{codecs}\nmedia.m3u8\n"
            route.fulfill(content_type="application/vnd.apple.mpegurl", body=body)
        elif name == "media.m3u8":
            route.fulfill(content_type="application/vnd.apple.mpegurl", body=self._playlist())
        else:
            route.fulfill(content_type="video/mp4", body=(self.home / name).read_bytes())

    def _playlist(self) -> str:
        done = min(SEGMENTS, (now_ms() - self.began_ms) // SEGMENT_MS)
        first = max(0, done - WINDOW)
        since = timedelta(milliseconds=self.began_ms + first * SEGMENT_MS)
        at = (datetime(1970, 1, 1, tzinfo=UTC) + since).isoformat(timespec="milliseconds")
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}", '#EXT-X-MAP:URI="init.mp4"']
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:{at}"]
        for number in range(first, done):
            lines += ["#EXTINF:1.000,", f"{number}.m4s"]
        return "\n".join(lines) + "\n"


@pytest.fixture
def watch(visit, pit, anna, recorded):
    """A table whose picture is the recorded minute; ``script`` runs before the page's own."""

    def open_page(script: str = "", device: str = "phone") -> tuple[Page, FakePush, Stream]:
        page = visit(anna, device=device)
        if script:
            page.add_init_script(script)
        stream = Stream(page, recorded)
        push = FakePush(page, pit.table.id)
        push.open_round(101, window_ms=60_000, tell=False)
        page.route(f"**/tables/{pit.table.id}/", _with_picture)
        page.goto(f"/tables/{pit.table.id}/")
        push.joined()
        return page, push, stream

    return open_page


def _with_picture(route: Route) -> None:
    answer = route.fetch()
    body = answer.text().replace('"playlist": ""', '"playlist": "/live-test/index.m3u8"')
    assert "/live-test/" in body
    route.fulfill(response=answer, body=body)


@pytest.mark.feature("F5")
def test_the_picture_plays_and_says_how_late_it_is(watch):
    page, _, _ = watch()
    badge = page.locator("#latency")
    expect(badge).to_contain_text(re.compile(r"\d\.\d s behind"), timeout=START_MS)
    expect(badge).to_have_class(re.compile("latency-(low|medium)"))
    playing = "() => document.querySelector('video').currentTime"
    before = page.evaluate(playing)
    page.wait_for_function(f"({playing})() > {before}")
    assert page.locator("video").evaluate("(video) => video.muted && video.playsInline")
    assert page.locator("#latency option").all_inner_texts() == ["Auto", "180p"]


@pytest.mark.feature("F7")
def test_a_result_waits_until_the_picture_shows_its_instant(watch):
    page, push, _ = watch()
    badge = page.locator("#latency")
    expect(badge).to_contain_text("behind", timeout=START_MS)
    push.phase("no_more_bets")
    reveal_at = now_ms()
    push.official(17, "black", reveal_at)
    expect(page.locator(".phase-words")).to_have_text("Checking the result")
    late_s = re.search(r"(\d)\.(\d)", badge.inner_text())
    assert late_s is not None
    late_ms = 1_000 * int(late_s[1]) + 100 * int(late_s[2])
    page.wait_for_timeout(500)
    expect(page.locator("#numbers")).to_be_hidden()
    expect(page.locator(".phase-words")).to_have_text("17 Black", timeout=12_000)
    waited_ms = now_ms() - reveal_at
    assert late_ms - 700 <= waited_ms <= late_ms + 2_500
    assert waited_ms < 12_000


@pytest.mark.feature("F7")
def test_a_picture_that_never_comes_holds_a_result_no_longer_than_its_patience(watch, faults):
    faults.allow("live-test", "ERR_FAILED")
    page, push, stream = watch()
    stream.down = True
    expect(page.locator("#latency")).to_be_hidden()
    push.phase("no_more_bets")
    push.official(17, "black", now_ms() - 11_000)
    expect(page.locator(".phase-words")).to_have_text("17 Black")


def test_with_save_data_nothing_is_fetched_before_a_tap(watch):
    page, _, stream = watch(
        "Object.defineProperty(navigator, 'connection', {value: {saveData: true}})"
    )
    show = page.get_by_role("button", name="Show the picture")
    expect(show).to_be_visible()
    page.wait_for_timeout(2_000)  # longer than the picture waits by itself
    assert stream.asked == []
    assert page.evaluate("window.Hls === undefined")
    show.tap()
    expect(page.locator("#latency")).to_contain_text("behind", timeout=START_MS)


def test_a_stream_that_dies_leaves_the_poster_and_the_game_goes_on(watch, faults):
    faults.allow("live-test", "ERR_FAILED")
    page, push, stream = watch()
    expect(page.locator("#latency")).to_contain_text("behind", timeout=START_MS)
    stream.down = True
    expect(page.locator(".stalled")).to_have_text(
        "The picture has stopped. The game goes on.", timeout=START_MS
    )
    page.locator("#felt button[value='red']").tap()
    assert push.asked()[0]["stakes"] == [["red", 100]]
    push.phase("no_more_bets")
    push.official(17, "black")
    expect(page.locator(".phase-words")).to_have_text("17 Black", timeout=START_MS)

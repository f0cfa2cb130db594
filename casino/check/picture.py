"""The table's picture as a player fetches it: a ladder, a playlist that goes on, real segments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin

import httpx
import m3u8

from casino.check.failure import StepFailed
from casino.check.visitor import wait_for
from kernel.clock import Clock

ANSWER_TIMEOUT_S = 5.0
#: The encoder starts with everything else; a slow laptop needs a quarter of it.
STARTED_WITHIN_MS = 60_000
#: Segments last a second; a playlist that stands still for so long has stopped.
ADVANCED_WITHIN_MS = 15_000
#: RFC 8216bis §4.4.3.8: players stay three target durations behind the end.
HOLD_BACK_TARGETS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found. ``latency_ms``: how old the picture is that a player would show."""

    renditions: int
    advanced_by: int
    latency_ms: int


def watch(base: str, table: str, clock: Clock) -> Seen:
    """Fetch what a player fetches, until the playlist has advanced; ``StepFailed`` otherwise."""
    index = f"{base}/live/{table}/index.m3u8"
    with httpx.Client(timeout=ANSWER_TIMEOUT_S, trust_env=False) as http:
        ladder = wait_for("the picture", lambda: _read(http, index), within_ms=STARTED_WITHIN_MS)
        if not ladder.playlists:
            raise StepFailed(f"{index} lists no renditions")
        address = urljoin(index, ladder.playlists[0].uri)
        first = wait_for("a segment", lambda: _read(http, address), within_ms=ADVANCED_WITHIN_MS)

        def moved() -> m3u8.M3U8 | None:
            now = _read(http, address)
            return now if now is not None and _last(now) > _last(first) else None

        later = wait_for("the next segment", moved, within_ms=ADVANCED_WITHIN_MS)
        latency_ms = _latency_ms(later, clock.now())
        _fetch_newest(http, address, later)
    return Seen(len(ladder.playlists), _last(later) - _last(first), latency_ms)


def _read(http: httpx.Client, address: str) -> m3u8.M3U8 | None:
    """The playlist; None while there is none yet."""
    try:
        reply = http.get(address)
    except httpx.ConnectError:  # the stream process is still starting
        return None
    if reply.status_code == 503:
        return None
    if reply.status_code != 200:
        raise StepFailed(f"GET {address} answered {reply.status_code}")
    return m3u8.loads(reply.text)


def _last(playlist: m3u8.M3U8) -> int:
    """The number of the newest segment (§4.4.3.2: the first one's is given, each is one more)."""
    return int(playlist.media_sequence) + len(playlist.segments) - 1


def _latency_ms(playlist: m3u8.M3U8, now: datetime) -> int:
    newest = playlist.segments[-1]
    ends_at = newest.program_date_time + timedelta(seconds=newest.duration)
    shown = ends_at - HOLD_BACK_TARGETS * timedelta(seconds=playlist.target_duration)
    return int((now - shown) / timedelta(milliseconds=1))


def _fetch_newest(http: httpx.Client, address: str, playlist: m3u8.M3U8) -> None:
    """The newest segment is a fragment of MP4 after its initialization section."""
    newest = playlist.segments[-1]
    for uri, box in ((newest.init_section.uri, b"ftyp"), (newest.uri, b"moof")):
        reply = http.get(urljoin(address, uri))
        if reply.status_code != 200 or reply.content[4:8] not in {box, b"styp"}:
            raise StepFailed(f"{uri} answered {reply.status_code} and does not begin with {box!r}")

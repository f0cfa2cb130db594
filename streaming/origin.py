"""The HTTP side of the stream process: an ASGI application that answers from memory.

``/live/<table>/index.m3u8`` multivariant, ``poster.jpg``; per rung ``/live/<table>/<rung>/``
``video.m3u8`` media playlist, ``init-N.mp4``, ``segment-N.m4s``; ``/healthz``. Only GET, HEAD and
OPTIONS. The media playlists of a table's rungs are the same text: relative names do the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from streaming import playlist
from streaming.feed import Feed
from streaming.live import Live
from streaming.window import TICKS_PER_SECOND

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATH: Final = re.compile(
    r"/live/(?P<table>[a-z0-9-]{1,32})/(?:(?P<rung>[a-z0-9]{1,12})/)?(?P<name>[a-z0-9.-]{1,40})"
)
_INDEX: Final = "index.m3u8"
_POSTER: Final = "poster.jpg"
_VIDEO: Final = "video.m3u8"

#: A playlist changes every segment: it is asked for anew, or revalidated, each time.
_LIVE: Final = "no-cache"
#: A segment's name is never given to other bytes; a minute outlasts any use at the live edge.
_FIXED: Final = "public, max-age=60, immutable"
_SHORT: Final = "public, max-age=3"
_NEVER: Final = "no-store"

#: A table is fresh while its newest segment is at most this many segments old.
_FRESH_SEGMENTS: Final = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    content_type: str
    body: bytes
    cache: str
    extra: tuple[tuple[str, str], ...] = ()


def _plain(status: int, text: str, *extra: tuple[str, str]) -> Reply:
    return Reply(status, "text/plain; charset=utf-8", text.encode() + b"\n", _NEVER, extra)


_STARTING: Final = _plain(503, "The stream is starting.", ("retry-after", "1"))


class Origin:
    """The application. It refuses every path that it does not know by its exact shape."""

    def __init__(self, feeds: Mapping[str, Feed], allowed_origins: frozenset[str]) -> None:
        self._feeds = feeds
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method = str(scope["method"])
        reply = await self._reply(method, str(scope["path"]))
        headers = [
            ("content-type", reply.content_type),
            ("content-length", str(len(reply.body))),
            ("cache-control", reply.cache),
            ("x-content-type-options", "nosniff"),
            *reply.extra,
            *self._cross_origin(scope["headers"]),
        ]
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
            }
        )
        body = b"" if method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    def _cross_origin(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
        """CORS for the site's pages and nobody else; caches keep the answers apart."""
        asked = next((value.decode("latin-1") for name, value in headers if name == b"origin"), "")
        if asked not in self._allowed_origins:
            return [("vary", "Origin")]
        return [("vary", "Origin"), ("access-control-allow-origin", asked)]

    async def _reply(self, method: str, path: str) -> Reply:
        if method == "OPTIONS":
            return Reply(
                204,
                "text/plain",
                b"",
                _NEVER,
                (
                    ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
                    ("access-control-allow-headers", "range"),
                    ("access-control-max-age", "600"),
                ),
            )
        if method not in {"GET", "HEAD"}:
            return _plain(405, "Only GET and HEAD.", ("allow", "GET, HEAD, OPTIONS"))
        if path == "/healthz":
            return self._health()
        found = _PATH.fullmatch(path)
        feed = self._feeds.get(found["table"]) if found else None
        if found is None or feed is None:
            return _plain(404, "Not found.")
        if found["rung"] is None:
            return await self._of_table(feed, found["name"])
        return _of_rung(feed.live, found["rung"], found["name"])

    async def _of_table(self, feed: Feed, name: str) -> Reply:
        if name == _INDEX:
            return _multivariant(feed.live) if feed.live.pictures else _STARTING
        data = await feed.poster.current() if name == _POSTER else None
        if data is None:
            return _plain(404, "Not found.")
        return Reply(200, "image/jpeg", data, _SHORT)

    def _health(self) -> Reply:
        """200 when every table's newest segment is fresh, else 503; per table in the body."""
        tables = {}
        for name, feed in self._feeds.items():
            age_ms = feed.live.segment_age_ms()
            tables[name] = {
                "ok": _is_fresh(feed.live),
                "state": _state(feed.live),
                "rungs": [rung.name for rung in feed.live.ladder],
                "segment_age_ms": age_ms,
                "restarts": feed.live.restarts,
                "next_number": feed.live.window.next_number,
            }
        healthy = all(table["ok"] for table in tables.values())
        body = json.dumps({"ok": healthy, "tables": tables}).encode()
        return Reply(200 if healthy else 503, "application/json", body, _NEVER)


def _is_fresh(live: Live) -> bool:
    age_ms = live.segment_age_ms()
    limit_ms = _FRESH_SEGMENTS * live.window.shape.segment_ticks * 1000 // TICKS_PER_SECOND
    return age_ms is not None and age_ms <= limit_ms


def _state(live: Live) -> str:
    """In a word, for people and alerts."""
    if live.segment_age_ms() is None:
        return "starting"
    return "live" if _is_fresh(live) else "stale"


def _of_rung(live: Live, rung: str, name: str) -> Reply:
    if all(known.name != rung for known in live.ladder):
        return _plain(404, "Not found.")
    if name == _VIDEO:
        if not live.pictures:
            return _STARTING
        return Reply(200, playlist.MEDIA_TYPE, playlist.media(live.window).encode(), _LIVE)
    data = live.named(rung, name)
    if data is None:
        return _plain(404, "Not found.")
    return Reply(200, "video/mp4", data, _FIXED)


def _multivariant(live: Live) -> Reply:
    text = playlist.multivariant(
        [
            playlist.Rendition(
                uri=f"{rung.name}/{_VIDEO}",
                bandwidth_bps=rung.bandwidth_bps,
                average_bps=rung.average_bps,
                codecs=live.pictures[rung.name].codecs,
                width=live.pictures[rung.name].width,
                height=live.pictures[rung.name].height,
                frame_rate_milli=rung.frames_per_second * 1000,
            )
            for rung in live.ladder
        ]
    )
    return Reply(200, playlist.MEDIA_TYPE, text.encode(), _LIVE)

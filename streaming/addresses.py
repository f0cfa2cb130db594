"""Where a page finds a table's picture. Django's side of streaming; the stream process needs none.

An empty string means that this installation shows no picture: `STREAM_URL` is not set.
"""

from __future__ import annotations

from django.conf import settings


def playlist_url(table_id: str) -> str:
    """The multivariant playlist, for a player that may fetch it from another origin."""
    return _url(table_id, "index.m3u8")


def poster_url(table_id: str) -> str:
    """A JPEG of 640x360 that is some seconds old; 404 while the table has never had a picture."""
    return _url(table_id, "poster.jpg")


def _url(table_id: str, name: str) -> str:
    base = str(settings.STREAM_URL)
    return f"{base}/live/{table_id}/{name}" if base else ""

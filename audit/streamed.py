"""Answers that are sent piece by piece, under either kind of server.

An asynchronous server collects what a plain iterator yields before it sends any of it; here each
piece is made in the request's own thread when the one before was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def streamed(
    request: HttpRequest, pieces: Iterator[bytes], content_type: str
) -> StreamingHttpResponse:
    """``pieces``, none of them empty, as the answer to ``request``."""
    body: Any = _without_waiting(pieces) if isinstance(request, ASGIRequest) else pieces
    return StreamingHttpResponse(body, content_type=content_type)


async def _without_waiting(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    nothing = b""
    while piece := await sync_to_async(lambda: next(pieces, nothing))():
        yield piece

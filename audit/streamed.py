"""Answers that are sent piece by piece, under either kind of server.

An asynchronous server collects what a plain iterator yields before it sends any of it; here each
piece is made in the request's own thread when the one before was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import IO, Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from audit.shared_connections import give_back

PIECE_BYTES: Final = 64 * 1024


def streamed(
    request: HttpRequest, pieces: Iterator[bytes], content_type: str
) -> StreamingHttpResponse:
    """``pieces``, none of them empty, as the answer to ``request``."""
    body: Any = _without_waiting(pieces) if isinstance(request, ASGIRequest) else pieces
    return StreamingHttpResponse(body, content_type=content_type)


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """A file that is whole already, for :func:`streamed`; closes it.

    Nothing more is asked of the database: whoever reads slowly keeps no connection meanwhile.
    """
    with file:
        give_back()
        while piece := file.read(PIECE_BYTES):
            yield piece


async def _without_waiting(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    nothing = b""
    while piece := await sync_to_async(lambda: next(pieces, nothing))():
        yield piece

"""A request's body has a bound before anything keeps it: beyond it nobody goes on reading.

Django's ASGI handler spools a body into a nameless temporary file before a view sees it, however
long it is; this stands in front of it. What a form may hold is its own view's question.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Pages = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: Above what the largest form of players may hold, and above the largest list staff upload.
BODY_BYTES_MAX: Final = 128 * 1024 * 1024
DESK_BYTES_MAX: Final = 320 * 1024 * 1024
DESK: Final = "/admin/"


def bytes_max_of(path: str) -> int:
    """The bound of a body sent to ``path``."""
    return DESK_BYTES_MAX if path.startswith(DESK) else BODY_BYTES_MAX


def bounded(pages: Pages, bound: Callable[[str], int] = bytes_max_of) -> Pages:
    """``pages``, answering 413 for a body that says it is longer, and ending one that is."""

    async def answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await pages(scope, receive, send)
            return
        bytes_max = bound(scope["path"])
        if _said(scope["headers"]) > bytes_max:
            await _too_large(send)
            return
        came = 0

        async def counted() -> Mapping[str, Any]:
            nonlocal came
            event = await receive()
            if event["type"] == "http.request":
                came += len(event.get("body", b""))
                if came > bytes_max:  # as if the browser had gone: nothing of it is kept
                    return {"type": "http.disconnect"}
            return event

        await pages(scope, counted, send)

    return answer


def _said(headers: Any) -> int:
    values = [value for name, value in headers if name.lower() == b"content-length"]
    return max((int(value) for value in values if value.isdigit()), default=0)


async def _too_large(send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 413,
            "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")],
            "trailers": False,
        }
    )
    body = b"That is more than can be sent at once. Go back and send less."
    await send({"type": "http.response.body", "body": body, "more_body": False})

"""Every WebSocket address of the platform. Whatever is not listed is closed before it opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from channels.routing import URLRouter
from django.urls import URLPattern, path, re_path

from tables.push.consumers import TableSocket

Message = MutableMapping[str, Any]


async def refuse(
    _scope: Message,
    _receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Close an unknown address; the server turns it into a 403 of the handshake."""
    await send({"type": "websocket.close"})


addresses: list[URLPattern] = [
    path("ws/tables/<slug:table_id>/", cast(Any, TableSocket.as_asgi())),
]
#: Channels routes ASGI applications through Django's patterns, whose types know only views.
_anything_else = re_path(r"", cast(Any, refuse))

#: No session is read from the database here: a ticket says who comes (`events.tickets`).
sockets = URLRouter([*addresses, _anything_else])

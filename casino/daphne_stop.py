"""A daphne that stops closes its sockets first, so that pages come back instead of waiting.

By itself it drops them: it cancels its applications, and fails at that whenever the connection of a
finished request is still listed (`daphne.server.Server.kill_all_applications`, 4.2). uvicorn needs
none of this.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from events.hub import local_hub

#: How long the close frames have to leave: they are written by the very loop that is about to end.
FLUSH_S: Final = 0.2


def close_sockets_first() -> None:
    """Ask Twisted's reactor for it, where one runs this process."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        reactor.addSystemEventTrigger("before", "shutdown", _drain)


def _drain() -> Any:
    from twisted.internet.defer import Deferred

    return Deferred.fromFuture(asyncio.ensure_future(_drained()))


async def _drained() -> None:
    # daphne's library sends no code below 3000 but this one: "anything else" of docs/push.md.
    local_hub().send_away(1000)
    await asyncio.sleep(FLUSH_S)

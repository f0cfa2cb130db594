"""Providers' own door into a web process: past the pages' middleware, through threads that stay.

A message needs no cookie, session, language or form: its signature says who sent it. Beside a
reconciliation, what a page's request costs before its view would be most of what a provider waits
for. The address, the answers and the metrics are those of `payments.messages.webhooks.webhook`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils.datastructures import CaseInsensitiveMapping

from audit.shared_connections import take_own
from casino.metrics import LATENCY, REQUESTS, ROUTE_CLASSES
from kernel.clock import monotonic_ms
from payments.messages import webhooks
from payments.messages.webhooks import BODY_BYTES_MAX, TOO_LARGE, Answer

log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Pages = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: Each has a connection to the database of its own, and waits for the disk most of the time.
THREADS: Final = 4
_PATH: Final = re.compile(r"/payments/webhooks/([-a-zA-Z0-9_]+)/")
_UNAVAILABLE: Final = Answer(503, {"error": "try_again"})


class WebhookDoor:
    """``pages``, but messages of providers are taken here. One per process."""

    def __init__(self, pages: Pages, threads: int = THREADS) -> None:
        self._pages = pages
        self._threads = ThreadPoolExecutor(threads, "webhooks", initializer=take_own)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["method"] != "POST":
            await self._pages(scope, receive, send)
            return
        began_ms = monotonic_ms()
        answer = await self._answer(found[1], scope, receive)
        if answer is not None:
            await _say(send, answer)
            _count(answer.status, monotonic_ms() - began_ms)
            log.info("webhook_answered", provider=found[1][:32], code=answer.status)

    async def _answer(
        self, provider: str, scope: dict[str, Any], receive: Receive
    ) -> Answer | None:
        """The answer; none where the provider hung up before its message was whole."""
        body = bytearray()
        while True:
            part = await receive()
            if part["type"] == "http.disconnect":
                return None
            body += part.get("body", b"")
            if len(body) > BODY_BYTES_MAX:
                return TOO_LARGE
            if not part.get("more_body"):
                break
        headers = CaseInsensitiveMapping(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        taking = partial(_take, provider, bytes(body), headers)
        return await asyncio.get_running_loop().run_in_executor(self._threads, taking)


def _take(provider: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Keep it; over a new connection where this thread's has died meanwhile."""
    for _ in range(2):
        try:
            return webhooks.take(provider, body, headers)
        except (OperationalError, InterfaceError) as failure:
            log.warning("webhook_not_kept", provider=provider[:32], error=type(failure).__name__)
            connection.close()
    return _UNAVAILABLE


async def _say(send: Send, answer: Answer) -> None:
    body = json.dumps(answer.word).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _count(status: int, ms: int) -> None:
    route = ROUTE_CLASSES["payments"]
    REQUESTS.labels(route, f"{status // 100}xx").inc()
    LATENCY.labels(route).observe(ms / 1000)

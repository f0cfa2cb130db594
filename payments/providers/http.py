"""JSON over HTTP to a provider, with an end: a total time-out and a largest answer."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import httpx

from audit.shared_connections import give_back
from kernel.clock import monotonic_ms
from payments.providers.protocol import NotThere, ProviderRejected, ProviderUnreachable

#: A player waits for this call; after it the deposit is `unknown` and is polled.
TOTAL_MS: Final = 6_000
CONNECT_S: Final = 2.0
READ_S: Final = 4.0
ANSWER_BYTES_MAX: Final = 64 * 1024
#: What a provider answers that understood and will not (docs.stripe.com/api/errors). No other
#: answer says what became of an earlier call under the same key: 401, 403 and 407 are about who
#: asks, 404, 405 and 421 about where; 409 is another call still at work, 424 a failure behind the
#: provider, 425 and 429 mean later, and 408 that time ran out.
REFUSING_STATUSES: Final = frozenset({400, 402, 422})
NOT_FOUND: Final = 404
#: The key has been used with other words: what was done under it is not what we ask now.
KEY_REUSED: Final = "idempotency_key_reused"


def call(
    client: httpx.Client,
    method: str,
    path: str,
    *,
    key: str = "",
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One exchange; the answer's JSON object.

    Raises ``ProviderRejected`` for what the provider itself refuses with its code, in an answer of
    ``REFUSING_STATUSES``, and ``ProviderUnreachable`` for everything else that is not a 2xx JSON
    object (``NotThere`` for a 404), also for what was asked for otherwise under the key before.
    """
    give_back()
    headers = {"Idempotency-Key": key} if key else {}
    started_ms = monotonic_ms()
    try:
        with client.stream(method, path, json=body, headers=headers) as answer:
            return _object(answer.status_code, received(answer, started_ms, ANSWER_BYTES_MAX))
    except httpx.HTTPError as error:
        raise ProviderUnreachable(type(error).__name__) from error


def received(answer: httpx.Response, started_ms: int, bytes_max: int) -> bytes:
    """The whole body of an answer that is being streamed, of a call that began at ``started_ms``.

    ``ProviderUnreachable`` where it is larger than ``bytes_max`` or takes longer than ``TOTAL_MS``.
    """
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > bytes_max:
            raise ProviderUnreachable("the answer is too large")
        if monotonic_ms() - started_ms > TOTAL_MS:
            raise ProviderUnreachable("the answer took too long")
    return bytes(body)


def _object(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if status in REFUSING_STATUSES:
        code = found.get("error") if isinstance(found, dict) else None
        if isinstance(code, str) and code and code != KEY_REUSED:
            raise ProviderRejected(code)
    if status == NOT_FOUND:
        raise NotThere(f"status {status}")
    if not 200 <= status < 300 or not isinstance(found, dict):
        raise ProviderUnreachable(f"status {status}")
    return found


def client(base_url: str, bearer: str) -> httpx.Client:
    """A client that follows no redirect and gives up on a silent peer."""
    return httpx.Client(
        base_url=base_url,
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
        follow_redirects=False,
        trust_env=False,
        verify=_trusted(),
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Whom we trust by TLS. Reading it takes longer than a call does, so it is read once."""
    return httpx.create_ssl_context(trust_env=False)

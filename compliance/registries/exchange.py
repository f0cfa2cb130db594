"""One bounded exchange with a register: a hard end, a largest answer, no redirects, no proxies.

A peer that drips a byte now and then keeps every read within its time-out, so the whole exchange
runs in a thread that the caller stops waiting for; closing the client ends the thread too.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Any, Final

import httpx
from django.db import connection

from audit.shared_connections import give_back
from kernel.invariant import ensure

#: A player waits for this at sign-up and sign-in.
HARD_END_S: Final = 3.0
CONNECT_S: Final = 1.5
READ_S: Final = 2.5
ANSWER_BYTES_MAX: Final = 16 * 1024


class NoAnswer(Exception):
    """There is none that can be used; the text is one word on why."""


@dataclass(frozen=True, slots=True)
class Received:
    """Status, headers and body of an answer."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a register is, and our key to it."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"Place({self.url})"


def post(
    place: Place,
    path: str,
    *,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Received:
    """POST a form or a JSON body. Raises ``NoAnswer``. Never inside a transaction."""
    ensure(not connection.in_atomic_block, "no network inside a transaction")
    give_back()
    client = httpx.Client(
        base_url=place.url,
        timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
        follow_redirects=False,
        trust_env=False,
    )
    pool = ThreadPoolExecutor(1, thread_name_prefix="registry")
    try:
        asked = pool.submit(_exchange, client, path, dict(headers), form, body)
        return asked.result(HARD_END_S)
    except TooLate:
        raise NoAnswer("too_late") from None
    except httpx.TimeoutException:
        raise NoAnswer("too_late") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NoAnswer("unreachable") from error
    finally:
        client.close()
        pool.shutdown(wait=False)


def _exchange(
    client: httpx.Client,
    path: str,
    headers: dict[str, str],
    form: Mapping[str, str] | None,
    body: Mapping[str, Any] | None,
) -> Received:
    received = bytearray()
    with client.stream("POST", path, data=form, json=body, headers=headers) as answer:
        for chunk in answer.iter_bytes():
            received += chunk
            if len(received) > ANSWER_BYTES_MAX:
                raise NoAnswer("too_large")
    return Received(answer.status_code, answer.headers, bytes(received))

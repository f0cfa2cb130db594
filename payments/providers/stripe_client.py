"""Stripe's SDK as we use it: our own connection with an end, one try, no telemetry, one version.

A call that did not end within its total time, or whose answer says nothing about the outcome, is
``ProviderUnreachable``; a refusal is ``ProviderRejected``. We repeat with the same key ourselves.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import httpx
import stripe
from stripe import HTTPClient, StripeClient, StripeObject

from audit.shared_connections import give_back
from kernel.clock import epoch_ms, monotonic_ms
from payments.providers.http import CONNECT_S, NOT_FOUND, READ_S, REFUSING_STATUSES, received
from payments.providers.protocol import NotThere, ProviderRejected, ProviderUnreachable

#: The version our parameters and readings were written for, whatever the account's default is.
API_VERSION: Final = "2026-10-28.endive"
#: Lists of refunds and transactions come in full objects, so more than of other providers.
ANSWER_BYTES_MAX: Final = 1024 * 1024

#: Stripe lists no more in one answer; so many answers are looked through for one object.
LIST_MAX: Final = 100
PAGES_MAX: Final = 10
#: Our clock and Stripe's are never so far apart.
CLOCKS_DIFFER_S: Final = 3_600

stripe.enable_telemetry = False


class _Broken(stripe.APIConnectionError):
    """No answer, or not within our bounds."""

    def __init__(self, why: str) -> None:
        super().__init__(why)  # type: ignore[no-untyped-call]  # the SDK's own is not typed


class OneTry(HTTPClient):
    """httpx with a total time-out and a largest answer; follows no redirect, uses no proxy."""

    name = "httpx"

    def __init__(self) -> None:
        super().__init__()
        self._http = httpx.Client(
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(),
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """One exchange. Raises the SDK's ``APIConnectionError`` where none came to its end."""
        started_ms = monotonic_ms()
        try:
            with self._http.stream(method, url, headers=headers, content=post_data) as answer:
                body = received(answer, started_ms, ANSWER_BYTES_MAX)
                return body.decode("utf-8", "replace"), answer.status_code, answer.headers
        except ProviderUnreachable as error:
            raise _Broken(str(error)) from error
        except httpx.HTTPError as error:
            raise _Broken(type(error).__name__) from error

    def close(self) -> None:
        self._http.close()


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The authorities we trust: reading their file takes longer than most calls."""
    return ssl.create_default_context()


class Api:
    """One connection to Stripe, for one use: a ``with`` block."""

    def __init__(self, api_key: str, base_url: str) -> None:
        self._connection = OneTry()
        self.client = StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base_url} if base_url else {},
            max_network_retries=0,
            http_client=self._connection,
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, call: Callable[..., StripeObject], *words: str, **more: Any) -> dict[str, Any]:
        """The object that ``call`` of the SDK answers, as plain data.

        Raises ``ProviderRejected`` with Stripe's code, or ``ProviderUnreachable``.
        """
        give_back()
        try:
            return call(*words, **more).to_dict()
        except stripe.StripeError as error:
            raise judged(error) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProviderUnreachable(f"not Stripe's answer: {type(error).__name__}") from error

    def made_under(
        self,
        key: str,
        list_of: Callable[..., StripeObject],
        *,
        since: datetime | None = None,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any] | None:
        """What was made under our ``key``, of what ``list_of`` lists; made no earlier than
        ``since``, when we first asked for it. None: it was not made.

        Raises ``ProviderUnreachable`` where there is too much to look through: then we cannot know.
        """
        wanted = dict(params or {}) | {"limit": LIST_MAX}
        if since is not None:
            wanted["created"] = {"gte": epoch_ms(since) // 1000 - CLOCKS_DIFFER_S}
        for _ in range(PAGES_MAX):
            found = self.ask(list_of, params=wanted, **more)
            for one in found["data"]:
                if (one.get("metadata") or {}).get("key") == key:
                    return dict(one)
            if not found["has_more"] or not found["data"]:
                return None
            wanted["starting_after"] = found["data"][-1]["id"]
        raise ProviderUnreachable("too many to look through")


def judged(error: stripe.StripeError) -> ProviderRejected | ProviderUnreachable:
    """What an error of the SDK says about the outcome."""
    status = error.http_status
    if isinstance(error, _Broken):
        return ProviderUnreachable(str(error))
    if status == NOT_FOUND:
        return NotThere(f"{type(error).__name__} {error.code or status}")
    if status not in REFUSING_STATUSES:
        return ProviderUnreachable(f"{type(error).__name__} {status or ''}".strip())
    body = error.json_body
    said = body.get("error") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        return ProviderUnreachable(f"status {status} without Stripe's error")
    if said.get("type") == "idempotency_error":
        # the key has been used with other words: what was done under it is not what we ask now
        return ProviderUnreachable("idempotency_error")
    return ProviderRejected(str(said.get("decline_code") or said.get("code") or status))

"""HTTP as the simulated provider speaks it: answers, bodies with a bound, JSON objects."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kernel.money import SCALES

BODY_BYTES_MAX: Final = 16 * 1024

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Answer(Exception):
    """An HTTP answer: raised from deep inside a handler, or returned by it.

    ``form_to`` is the address to which a page's form may lead besides this provider itself.
    """

    def __init__(
        self,
        status: int,
        body: object = None,
        *,
        page: str = "",
        location: str = "",
        form_to: str = "",
    ) -> None:
        super().__init__(status)
        self.status, self.location, self.form_to = status, location, form_to
        self.is_page = bool(page)
        self.body = page.encode() if page else json.dumps(body or {}).encode()


async def read_body(receive: Receive) -> bytes:
    """The request's body; answers 413 above ``BODY_BYTES_MAX``."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise Answer(413, {"error": "too_large"})
        if not message.get("more_body"):
            return bytes(body)


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object (an empty one is an empty object); answers 400 otherwise."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        raise Answer(400, {"error": "not_json"}) from None
    if not isinstance(found, dict):
        raise Answer(400, {"error": "not_an_object"})
    return found


def amounts(wanted: dict[str, Any]) -> dict[str, Any]:
    """Amount, currency and the merchant's reference of an order; answers 400 where one is odd."""
    reference = wanted.get("merchant_reference")
    if not isinstance(reference, str) or not 0 < len(reference) <= 80:
        raise Answer(400, {"error": "bad_reference"})
    return amount(wanted) | {"merchant_reference": reference}


def amount(wanted: dict[str, Any]) -> dict[str, Any]:
    """Amount and currency of an order; answers 400 where one is odd."""
    minor, currency = wanted.get("amount_minor"), wanted.get("currency")
    if type(minor) is not int or not 0 < minor < 2**53 or currency not in SCALES:
        raise Answer(400, {"error": "bad_amount"})
    return {"amount_minor": minor, "currency": currency}


def text(wanted: dict[str, Any], name: str, longest: int) -> str:
    """A text of an order, empty where it is not there; answers 400 for anything else."""
    found = wanted.get(name) or ""
    if not isinstance(found, str) or len(found) > longest:
        raise Answer(400, {"error": f"bad_{name}"})
    return found

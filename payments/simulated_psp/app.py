"""The simulated provider as a plain ASGI application."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from kernel.money import SCALES
from payments import signatures
from payments.simulated_psp import pages
from payments.simulated_psp.faults import Faults
from payments.simulated_psp.hooks import Hooks, public
from payments.simulated_psp.store import KeyReused, Store, new_object_id

BODY_BYTES_MAX: Final = 16 * 1024
#: A hosted page that nobody decided on ends after half an hour, as card sessions do.
EXPIRES_AFTER_S: Final = 1_800

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Answer(Exception):
    """An HTTP answer: raised from deep inside a handler, or returned by it."""

    def __init__(
        self, status: int, body: object = None, *, page: str = "", location: str = ""
    ) -> None:
        super().__init__(status)
        self.status, self.location = status, location
        self.kind = "text/html; charset=utf-8" if page else "application/json"
        self.body = page.encode() if page else json.dumps(body or {}).encode()


class Provider:
    """Payments, payouts and refunds; what moves later moves in tasks of the event loop."""

    def __init__(
        self, *, base_url: str, secret: str, store: Store, hooks: Hooks, faults: Faults
    ) -> None:
        self._base_url, self._secret = base_url.rstrip("/"), secret
        self._store, self._hooks, self._faults = store, hooks, faults
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Let objects from before a restart go on."""
        for one in self._store.unfinished():
            later = self._confirm if one["object"] == "payment" else self._pay_out
            self._later(later(one))

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hooks.close()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._serve(scope, await _read(receive))
        except Answer as raised:
            answer = raised
        headers = [(b"content-type", answer.kind.encode()), (b"cache-control", b"no-store")]
        if answer.location:
            headers.append((b"location", answer.location.encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _serve(self, scope: dict[str, Any], body: bytes) -> Answer:
        method, path = scope["method"], scope["path"]
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if path == "/healthz":
            return Answer(200, {"ok": True})
        if page := re.fullmatch(r"/pay/([A-Za-z0-9_-]{20,64})", path):
            return self._hosted(method, page[1], body)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(bearer.encode(), signatures.api_key(self._secret).encode()):
            return Answer(401, {"error": "unauthorised"})
        answer = self._api(method, path, headers.get("idempotency-key", ""), body)
        await asyncio.sleep(self._faults.answer_delay_ms / 1000)
        if self._faults.answer_fails and path != "/switches":
            return Answer(500, {"error": "simulated"})
        return answer

    def _api(self, method: str, path: str, key: str, body: bytes) -> Answer:
        if method == "GET":
            if found := re.fullmatch(r"/v1/(?:payments|payouts)/(\w{8,64})", path):
                return Answer(200, self._shown(self._found(found[1])))
            return Answer(404, {"error": "not_found"})
        wanted = _object(body)
        if path == "/switches":
            return self._switch(wanted)
        if not 0 < len(key) <= 120:
            return Answer(400, {"error": "idempotency_key_missing"})
        return self._order(path, key, wanted, body)

    def _switch(self, wanted: dict[str, Any]) -> Answer:
        try:
            self._faults.set(wanted)
        except ValueError as error:
            return Answer(400, {"error": str(error)})
        return Answer(200, {"ok": True})

    def _order(self, path: str, key: str, wanted: dict[str, Any], body: bytes) -> Answer:
        if path == "/v1/payments":
            return self._new_payment(key, wanted, body)
        if path == "/v1/payouts":
            return self._new_payout(key, wanted, body)
        if found := re.fullmatch(r"/v1/payments/(\w{8,64})/refunds", path):
            return self._refund(found[1], wanted)
        return Answer(404, {"error": "not_found"})

    # -- payments ----------------------------------------------------------------------------------

    def _new_payment(self, key: str, wanted: dict[str, Any], body: bytes) -> Answer:
        back = str(wanted.get("return_url") or "")
        if back and urlsplit(back).scheme not in {"http", "https"}:
            return Answer(400, {"error": "bad_return_url"})
        made = _amounts(wanted) | {
            "id": new_object_id("pay"),
            "object": "payment",
            "status": "requires_action",
            "reason": "",
            "token": secrets.token_urlsafe(24),
            "return_url": back,
        }
        one, is_new = self._once(key, body, made)
        if is_new:
            self._later(self._expire(one))
        return Answer(200, self._shown(one))

    def _hosted(self, method: str, token: str, body: bytes) -> Answer:
        one = self._store.by_token(token)
        if one is None:
            return Answer(404, page=pages.done({"status": "unknown"}))
        if one["status"] != "requires_action":
            return Answer(200, page=pages.done(one))
        if method != "POST":
            return Answer(200, page=pages.choice(one))
        action = parse_qs(body.decode("latin-1")).get("action", [""])[0]
        if action not in {"pay", "decline"}:
            return Answer(400, page=pages.choice(one))
        if action == "decline":
            self._move(one, "failed", "declined")
        elif self._faults.confirm_delay_ms:
            self._move(one, "processing")
            self._later(self._confirm(one))
        else:
            self._move(one, "succeeded")
        if one["return_url"]:
            return Answer(303, location=one["return_url"])
        return Answer(200, page=pages.done(one))

    async def _confirm(self, one: dict[str, Any]) -> None:
        await asyncio.sleep(self._faults.confirm_delay_ms / 1000)
        self._move(one, "succeeded")

    async def _expire(self, one: dict[str, Any]) -> None:
        await asyncio.sleep(EXPIRES_AFTER_S)
        if one["status"] == "requires_action":
            self._move(one, "expired")

    def _refund(self, object_id: str, wanted: dict[str, Any]) -> Answer:
        one = self._found(object_id)
        if one["status"] == "refunded":
            return Answer(200, self._shown(one))
        if one["status"] != "succeeded" or wanted.get("amount_minor") != one["amount_minor"]:
            return Answer(400, {"error": "not_refundable"})
        self._move(one, "refunded")
        return Answer(200, self._shown(one))

    # -- payouts -----------------------------------------------------------------------------------

    def _new_payout(self, key: str, wanted: dict[str, Any], body: bytes) -> Answer:
        made = _amounts(wanted) | {
            "id": new_object_id("out"),
            "object": "payout",
            "status": "submitted",
            "reason": "",
        }
        one, is_new = self._once(key, body, made)
        if is_new:
            self._later(self._pay_out(one))
        return Answer(200, self._shown(one))

    async def _pay_out(self, one: dict[str, Any]) -> None:
        """Submitted → in transit → paid, or as the switches say."""
        for status in ("in_transit", "paid"):
            await asyncio.sleep(self._faults.payout_step_ms / 1000)
            if status == "paid" and self._faults.payout_fails:
                self._move(one, "failed", "account_closed")
                return
            self._move(one, status)
        if self._faults.payout_returns:
            await asyncio.sleep(self._faults.payout_step_ms / 1000)
            self._move(one, "returned", "account_closed")

    # -- shared ------------------------------------------------------------------------------------

    def _once(self, key: str, body: bytes, made: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        try:
            return self._store.once(key, body.decode("latin-1"), made)
        except KeyReused:
            raise Answer(422, {"error": "idempotency_key_reused"}) from None

    def _found(self, object_id: str) -> dict[str, Any]:
        one = self._store.find(object_id)
        if one is None:
            raise Answer(404, {"error": "not_found"})
        return one

    def _shown(self, one: dict[str, Any]) -> dict[str, Any]:
        shown = public(one)
        if one["object"] == "payment" and one["status"] == "requires_action":
            shown["redirect_url"] = f"{self._base_url}/pay/{one['token']}"
        return shown

    def _move(self, one: dict[str, Any], status: str, reason: str = "") -> None:
        self._store.change(one, status=status, reason=reason)
        self._hooks.tell(one)

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise Answer(413, {"error": "too_large"})
        if not message.get("more_body"):
            return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise Answer(400, {"error": "not_json"}) from None
    if not isinstance(found, dict):
        raise Answer(400, {"error": "not_an_object"})
    return found


def _amounts(wanted: dict[str, Any]) -> dict[str, Any]:
    minor, currency = wanted.get("amount_minor"), wanted.get("currency")
    reference = wanted.get("merchant_reference")
    if type(minor) is not int or not 0 < minor < 2**53 or currency not in SCALES:
        raise Answer(400, {"error": "bad_amount"})
    if not isinstance(reference, str) or not 0 < len(reference) <= 80:
        raise Answer(400, {"error": "bad_reference"})
    return {"amount_minor": minor, "currency": currency, "merchant_reference": reference}

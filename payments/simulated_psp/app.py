"""The simulated provider as a plain ASGI application: who may ask what, and what answers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

from payments.messages import signatures
from payments.simulated_psp import languages, pages
from payments.simulated_psp.desk import Desk
from payments.simulated_psp.disputes import Disputes
from payments.simulated_psp.hooks import public
from payments.simulated_psp.payments import Payments
from payments.simulated_psp.payouts import Payouts
from payments.simulated_psp.settlement import Settlement
from payments.simulated_psp.wire import Answer, Receive, Send, json_object, read_body

#: Of one answer; the merchant reads 64 KiB at most.
EVENTS_AT_ONCE_MAX: Final = 50
_KINDS: Final = {
    "payments": "payment",
    "payouts": "payout",
    "refunds": "refund",
    "disputes": "dispute",
}
_PREFIXES: Final = {"payments": "pay", "payouts": "out", "refunds": "re", "disputes": "dsp"}
NEWEST_MAX: Final = 50
_STYLE: Final = base64.b64encode(hashlib.sha256(pages.STYLE.encode()).digest()).decode()


class Provider:
    """Routes requests to payments, payouts, disputes and the books."""

    def __init__(self, desk: Desk, secret: str, settlement: Settlement) -> None:
        self._desk, self._secret, self._settlement = desk, secret, settlement
        self._disputes = Disputes(desk)
        self._payments = Payments(desk, self._disputes)
        self._payouts = Payouts(desk)
        self._orders = 0

    def resume(self) -> None:
        """Let objects and messages from before a restart go on."""
        self._settlement.put_files()
        self._desk.hooks.resume()
        go_on = {
            "payment": self._payments.resume,
            "payout": self._payouts.resume,
            "refund": self._payments.resume_refund,
        }
        for one in self._desk.store.unfinished():
            go_on[one["object"]](one)

    async def close(self) -> None:
        await self._desk.close()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._serve(scope, await read_body(receive))
        except Answer as raised:
            answer = raised
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": _headers(answer)}
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _serve(self, scope: dict[str, Any], body: bytes) -> Answer:
        method, path = scope["method"], scope["path"]
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if path == "/healthz":
            return Answer(200, {"ok": True})
        if page := re.fullmatch(r"/(pay|challenge)/([A-Za-z0-9._-]{20,80})", path):
            show = self._payments.page if page[1] == "pay" else self._payments.challenge_page
            browsers = languages.wanted(headers.get("accept-language", "")) or languages.ENGLISH
            return show(method, page[2], body, browsers)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(bearer.encode(), signatures.api_key(self._secret).encode()):
            return Answer(401, {"error": "unauthorised"})
        if path == "/switches" or path.startswith("/simulate/"):
            return self._simulate(method, path, json_object(body))
        return await self._answered(method, scope, headers, body)

    async def _answered(
        self, method: str, scope: dict[str, Any], headers: dict[str, str], body: bytes
    ) -> Answer:
        """The API's answer, or what the switches make of it."""
        faults = self._desk.faults
        if faults.answer_refuses:
            return Answer(400, {"error": "simulated_refusal"})
        answer = self._api(method, scope, headers, body)
        self._orders += 1
        await asyncio.sleep(faults.answer_delay_ms / 1000)
        every = faults.answer_fails_every
        if faults.answer_fails or (every and self._orders % every == 0):
            return Answer(500, {"error": "simulated"})
        return answer

    # -- the API -----------------------------------------------------------------------------------

    def _api(
        self, method: str, scope: dict[str, Any], headers: dict[str, str], body: bytes
    ) -> Answer:
        path, key = scope["path"], headers.get("idempotency-key", "")
        if method == "GET":
            return self._read(path, scope.get("query_string", b"").decode("latin-1"))
        # no part of what a key is held against: who asks again may not know the language any more
        language = languages.wanted(headers.get("accept-language", ""))
        wanted = json_object(body) | {"language": language}
        if not 0 < len(key) <= 120:
            return Answer(400, {"error": "idempotency_key_missing"})
        request = path.encode() + b"\n" + body
        make = {
            "/v1/payments": self._payments.create,
            "/v1/payouts": self._payouts.create,
            "/v1/accounts": self._payouts.register,
        }.get(path)
        if make is not None:
            return make(key, wanted, request)
        if found := re.fullmatch(r"/v1/payments/(\w{8,64})/refunds", path):
            return self._payments.refund(found[1], key, wanted, request)
        return Answer(404, {"error": "not_found"})

    def _read(self, path: str, query: str) -> Answer:
        if found := re.fullmatch(r"/v1/(payments|payouts|refunds|disputes)/(\w{8,64})", path):
            one = self._desk.found(found[2], _KINDS[found[1]])
            shown = self._payments.shown(one) if one["object"] == "payment" else public(one)
            return Answer(200, shown)
        if path == "/v1/events":
            return self._events(query)
        if path == "/v1/balances":
            return Answer(200, {"balances": self._desk.store.open_totals()})
        return Answer(404, {"error": "not_found"})

    def _events(self, query: str) -> Answer:
        """What was told or should have been, in order: for who missed a message."""
        asked = re.fullmatch(r"after=(\d{1,15})", query)
        if asked is None:
            return Answer(400, {"error": "bad_after"})
        found = self._desk.store.events(int(asked[1]), EVENTS_AT_ONCE_MAX)
        last = found[-1][0] if found else int(asked[1])
        return Answer(200, {"events": [json.loads(body) for _, body in found], "last": last})

    # -- what a person who tries things out may order ----------------------------------------------

    def _simulate(self, method: str, path: str, wanted: dict[str, Any]) -> Answer:
        if path == "/switches":
            return self._switch(method, wanted)
        if (method, path) == ("GET", "/simulate/books"):
            return Answer(200, self._books())
        if method == "GET" and (found := re.fullmatch(r"/simulate/newest/(\w+)", path)):
            return self._newest(found[1])
        if method == "POST":
            return self._ordered(path, wanted)
        return Answer(404, {"error": "not_found"})

    def _ordered(self, path: str, wanted: dict[str, Any]) -> Answer:
        if path == "/simulate/close":
            return self._settlement.close()
        if path == "/simulate/disputes":
            return self._disputes.open(wanted)
        if found := re.fullmatch(r"/simulate/disputes/(\w{8,64})/(won|lost)", path):
            return self._disputes.close(found[1], found[2])
        if found := re.fullmatch(r"/simulate/payments/(\w{8,64})/arrives", path):
            return self._payments.arrive(found[1])
        if found := re.fullmatch(r"/simulate/payouts/(\w{8,64})/returned", path):
            return self._payouts.send_back(found[1])
        return Answer(404, {"error": "not_found"})

    def _switch(self, method: str, wanted: dict[str, Any]) -> Answer:
        if method != "GET":
            try:
                self._desk.faults.set(wanted)
            except ValueError as error:
                return Answer(400, {"error": str(error)})
        return Answer(200, {"ok": True, "switches": self._desk.faults.shown()})

    def _newest(self, kinds: str) -> Answer:
        prefix = _PREFIXES.get(kinds)
        if prefix is None:
            return Answer(404, {"error": "not_found"})
        found = self._desk.store.newest(prefix, NEWEST_MAX)
        return Answer(200, {"found": [public(one) for one in found]})

    def _books(self) -> dict[str, Any]:
        """All movements there ever were, by currency and type, and what was told."""
        names = ("currency", "type", "count", "gross_minor", "fee_minor")
        told = ("kept", "lost", "repeated", "waiting")
        return {
            "movements": [dict(zip(names, row, strict=True)) for row in self._desk.store.totals()],
            "messages": dict(zip(told, self._desk.store.told_counts(), strict=True)),
        }


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    kind = "text/html; charset=utf-8" if answer.is_page else "application/json"
    headers = {"content-type": kind, "cache-control": "no-store"}
    if answer.location:
        headers["location"] = answer.location
    if answer.is_page:
        back = urlsplit(answer.form_to)
        may_lead_to = f" {back.scheme}://{back.netloc}" if answer.form_to else ""
        headers |= {
            "content-security-policy": (
                f"default-src 'none'; style-src 'sha256-{_STYLE}'; base-uri 'none';"
                f" frame-ancestors 'none'; form-action 'self'{may_lead_to}"
            ),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]

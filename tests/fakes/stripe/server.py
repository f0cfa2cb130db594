"""The account over HTTP on loopback: keys, versions, idempotency, and faults of the way."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from audit.card_numbers import has_card
from tests.fakes.stripe.books import Books
from tests.fakes.stripe.endpoints import matching, shown
from tests.fakes.stripe.events import API_VERSION
from tests.fakes.stripe.parameters import checked, decoded
from tests.fakes.stripe.refusals import Refusal

#: Faults that come before anything is done.
BEFORE = {
    "limited": (429, b'{"error": {"type": "invalid_request_error", "code": "rate_limit"}}'),
    "broken": (500, b'{"error": {"type": "api_error"}}'),
    "redirected": (302, b""),
    "strange": (200, b"<html>a proxy's page</html>"),
    "no_object": (200, b"[]"),
    "unknown_key": (401, b'{"error": {"type": "invalid_request_error"}}'),
    "refused": (400, b'{"error": {"type": "invalid_request_error", "code": "not_allowed"}}'),
}
API_KEY = "sk_test_of_this_test_only"


@dataclass
class Fault:
    """What goes wrong with calls whose address contains ``where``, so often."""

    where: str
    kind: str  # one of BEFORE, lost_after, or broken_after
    times: int = 1


@dataclass
class Account:
    """The books, the keys seen, the faults to come, and every request as it came."""

    books: Books = field(default_factory=Books)
    lock: threading.RLock = field(default_factory=threading.RLock)
    keys: dict[tuple[str, str], tuple[str, int, bytes]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    #: Lost answers wait here until the test lets the connection go.
    let_go: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def fault_of(self, address: str) -> str:
        for fault in self.faults:
            if fault.where in address and fault.times > 0:
                fault.times -= 1
                return fault.kind
        return ""

    def sent(self, verb: str, part: str) -> int:
        """How many requests of this verb to addresses with ``part`` in them came."""
        return sum(1 for one in self.requests if one[0] == verb and part in one[1])

    def answer(self, verb: str, target: str, body: str, headers: Any) -> tuple[int, bytes]:
        with self.lock:
            try:
                status, found = 200, self._answer(verb, target, body, headers)
            except Refusal as refused:
                status, found = refused.status, refused.body
            return status, json.dumps(found).encode()

    def _answer(self, verb: str, target: str, body: str, headers: Any) -> dict[str, Any]:
        if headers.get("Authorization") != f"Bearer {API_KEY}":
            raise Refusal(401, message="Invalid API Key provided", kept=False)
        if headers.get("Stripe-Version") != API_VERSION:
            raise Refusal(400, message="Invalid Stripe API version", kept=False)
        parts = urlsplit(target)
        kind = headers.get("Content-Type")
        if verb == "POST" and kind != "application/x-www-form-urlencoded":
            raise Refusal(415, message="Send a form", kept=False)
        account = headers.get("Stripe-Account") or ""
        takes, act, ref = matching(verb, parts.path)
        given = checked(decoded(body if verb == "POST" else parts.query), takes)
        expand = given.pop("expand", [])
        if verb != "POST":
            return shown(self.books, act(self.books, given, ref, account), expand)
        return self._once(
            (account, headers.get("Idempotency-Key") or ""),
            f"{parts.path}\n{body}",
            lambda: shown(self.books, act(self.books, given, ref, account), expand),
        )

    def _once(self, key: tuple[str, str], request: str, act: Any) -> dict[str, Any]:
        """The answer of this key, made now if need be; another request under it is refused."""
        digest = hashlib.sha256(request.encode()).hexdigest()
        known = self.keys.get(key)
        if known is not None:
            if known[0] != digest:
                raise Refusal(
                    400, type="idempotency_error", kept=False,
                    message="Keys for idempotent requests can only be used with the same "
                    "parameters they were first used with.",
                )  # fmt: skip
            found = json.loads(known[2])
            if known[1] == 200:
                return dict(found)
            raise Refusal(known[1], **found["error"])
        try:
            made = act()
        except Refusal as refused:
            if refused.kept:
                self.keys[key] = digest, refused.status, json.dumps(refused.body).encode()
            raise
        self.keys[key] = digest, 200, json.dumps(made).encode()
        return dict(made)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: Account

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        account = self.account
        with account.lock:
            account.requests.append((verb, self.path, body, dict(self.headers)))
            fault = account.fault_of(f"{verb} {self.path}")
        if fault in BEFORE:
            self._send(*BEFORE[fault])
            return
        status, answer = account.answer(verb, self.path, body, self.headers)
        if fault == "lost_after":
            account.let_go.wait(10)
            self.close_connection = True
        elif fault == "broken_after":
            self._send(*BEFORE["broken"])
        else:
            self._send(status, answer)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 302:
            self.send_header("Location", f"{self.account.url}/v1/elsewhere")
        self.send_header("Request-Id", "req_x")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: tests read `requests`."""


@contextmanager
def serving() -> Iterator[Account]:
    """An account that answers at its ``url`` until the block ends."""
    account = Account()
    handler = type("Handler", (_Handler,), {"account": account})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        account.url = f"http://127.0.0.1:{server.server_port}"
        running = threading.Thread(target=server.serve_forever, args=(0.02,))
        running.start()
        try:
            yield account
        finally:
            account.let_go.set()
            server.shutdown()
            running.join(10)
            carried = [one[1] for one in account.requests if has_card(f"{one[1]} {one[2]}")]
            assert carried == [], "a request carried the number of a card"

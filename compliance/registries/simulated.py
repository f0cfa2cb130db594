"""Registers for demonstrations and tests: their wire shapes on one local port, people by rule.

``python -m compliance.registries.simulated 8791``. Of ``/gamstop``, ``/spelpaus`` and ``/rofus``
whoever is in `Book.excluded` is excluded; nothing leaves this machine and nothing here is real.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

from kernel.ids import new_id

KEY: Final = "simulated-registry-key"
BODY_BYTES_MAX: Final = 64 * 1024


@dataclass
class Book:
    """Who is in the registers, and what goes wrong. E-mail addresses, personal and CPR numbers."""

    excluded: set[str] = field(default_factory=lambda: {"excluded@example.org"})
    #: hang, drip, error, nonsense, other_request, lapsed, or nothing.
    fault: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: Ends what hangs.
    over: threading.Event = field(default_factory=threading.Event)


class Simulated(ThreadingHTTPServer):
    """The server; ``book`` may be changed while it runs."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.book = Book()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def places(self) -> dict[str, dict[str, str]]:
        """The setting ``FARO_REGISTRIES`` for this server."""
        names = ("gamstop", "spelpaus", "rofus")
        return {name: {"url": f"{self.url}/{name}/", "key": KEY} for name in names}


class _Handler(BaseHTTPRequestHandler):
    server: Simulated

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), BODY_BYTES_MAX)
        sent = self.rfile.read(length)
        name = self.path.split("/")[1]
        if self._fault():
            return
        answer = {"gamstop": self._gamstop, "spelpaus": self._spelpaus, "rofus": self._rofus}
        if name not in answer:
            self._say(404, {})
        else:
            answer[name](sent)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: a log of who was asked about would be a copy of the register."""

    def _fault(self) -> bool:
        book = self.server.book
        if book.fault == "hang":
            book.over.wait(30)
        elif book.fault == "drip":
            self.send_response(200)
            while not book.over.wait(0.2):
                try:
                    self.wfile.write(b"X-Slow: yes\r\n")
                    self.wfile.flush()
                except OSError:
                    break
        elif book.fault == "error":
            self._say(500, {"error": "down"})
        elif book.fault == "nonsense":
            self._say(200, ["yes", "no"], {"X-Exclusion": "perhaps"})
        else:
            return False
        return True

    def _gamstop(self, sent: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(sent.decode()).items()}
        if self.headers.get("X-API-Key") != KEY:
            self._say(403, {})
            return
        if not {"firstName", "lastName", "dateOfBirth", "email", "postcode"} <= set(form):
            self._say(400, {})
            return
        said = "Y" if self._is_in("gamstop", form, form["email"]) else "N"
        said = "P" if self.server.book.fault == "lapsed" else said
        self._say(200, {}, {"X-Exclusion": said, "X-Unique-Id": str(new_id())})

    def _spelpaus(self, sent: bytes) -> None:
        body = _json(sent)
        if self.headers.get("Authorization") != KEY:
            self._say(401, {})
            return
        if len(body.get("subjectId", "")) != 12 or not body.get("requestId"):
            self._say(400, {})
            return
        other = self.server.book.fault == "other_request"
        self._say(
            200,
            {
                "isBlocked": self._is_in("spelpaus", body, body["subjectId"]),
                "requestId": str(new_id()) if other else body["requestId"],
                "responseId": str(new_id()),
            },
        )

    def _rofus(self, sent: bytes) -> None:
        body = _json(sent)
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._say(401, {})
            return
        registered = self._is_in("rofus", body, body.get("cpr", ""))
        status = "RegisteredTemporarily" if registered else "NotRegistered"
        if registered and self.server.book.fault == "for_ever":
            status = "RegisteredIndefinitely"
        self._say(200, {"status": status, "id": str(new_id())})

    def _is_in(self, name: str, asked: dict[str, str], who: str) -> bool:
        self.server.book.asked.append((name, asked))
        return who in self.server.book.excluded

    def _say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _json(sent: bytes) -> dict[str, str]:
    try:
        found = json.loads(sent)
    except ValueError:
        return {}
    return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}


if __name__ == "__main__":
    server = Simulated(int(sys.argv[1]) if len(sys.argv) > 1 else 8791)
    sys.stdout.write(f"FARO_REGISTRIES='{json.dumps(server.places())}'\n")
    sys.stdout.flush()
    server.serve_forever()

"""``python -m verify witness``: a witness that anybody can run for a house.

The house posts every seal, one signed line at a time. It is checked like everything here
(signature, chain, number after number), written to a file that only grows, and only then answered
for. A line that contradicts an earlier one is refused with 409 and kept as evidence; one that
cannot be taken for another reason with 422, and the house will try again.

Asked with GET, it shows the newest seal of each source (``/``) and what it has (``/audit.jsonl``),
so that `verify consistency` can hold a house's own list against it. It speaks plain HTTP: put a
proxy with a certificate in front of it where it is reached through the internet.
"""

from __future__ import annotations

import json
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from verify.findings import Code, Finding, Spoiled, Unusable
from verify.kept import LINE_BYTES_MAX
from verify.signed import load_keys
from verify.store import Store, heads_as_json

#: A peer that says nothing for so long is let go.
SILENCE_S: Final = 15
_CONTRADICTS: Final = frozenset({Code.FORKED, Code.BROKEN_CHAIN})


def serve(listen: str, folder: Path, public_key: Path) -> None:
    """Listen at ``HOST:PORT`` until SIGTERM or SIGINT, which raise ``KeyboardInterrupt``.

    ``Unusable`` where that, or what is kept, does not work.
    """
    server = bind(listen, folder, public_key)
    with server:
        for told in (signal.SIGTERM, signal.SIGINT):  # a shell's background job ignores SIGINT
            signal.signal(told, signal.default_int_handler)
        host, port = server.server_address[:2]
        sys.stdout.write(f"listening at http://{host!s}:{port}/, keeping seals in {folder}\n")
        sys.stdout.flush()
        server.serve_forever()


def bind(listen: str, folder: Path, public_key: Path) -> WitnessServer:
    """The server, bound and not yet serving."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise Unusable(f"{listen} is no HOST:PORT")
    try:
        store = Store(folder, load_keys(public_key))
    except Spoiled as spoiled:
        raise Unusable(f"what is kept in {folder} is damaged: {spoiled.finding}") from spoiled
    try:
        return WitnessServer((host.strip("[]"), int(port)), store)
    except OSError as error:
        store.close()
        raise Unusable(f"{listen}: {error}") from error


class WitnessServer(ThreadingHTTPServer):
    """One store behind a server with a thread per connection."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], store: Store) -> None:
        self.store = store
        super().__init__(address, _Handler)

    def server_close(self) -> None:
        super().server_close()
        self.store.close()


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENCE_S
    server_version = "faro-witness"
    sys_version = ""

    def do_POST(self) -> None:
        """One seal."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or not 0 < int(length) <= LINE_BYTES_MAX:
            self.close_connection = True
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"taken": False, "code": "length"})
            return
        line = self.rfile.read(int(length)).removesuffix(b"\n")
        try:
            self._check_key(line)
            taken = self._store.take(line)
        except Spoiled as spoiled:
            self._refuse(spoiled.finding)
            return
        self._answer(
            HTTPStatus.OK,
            {
                "taken": True,
                "source": taken.source,
                "number": taken.number,
                "head": taken.head,
                "new": taken.is_new,
            },
        )

    def do_GET(self) -> None:
        """What is kept."""
        name = self.path.partition("?")[0].rpartition("/")[2]
        if not name:
            self._send(HTTPStatus.OK, "application/json", heads_as_json(self._store))
            return
        path = self._store.path(name.removesuffix(".jsonl")) if name.endswith(".jsonl") else None
        if path is None:
            self._answer(HTTPStatus.NOT_FOUND, {"code": "not_found"})
            return
        with path.open("rb") as kept:
            size = kept.seek(0, 2)
            kept.seek(0)
            self._head(HTTPStatus.OK, "application/jsonl", size)
            while size > 0 and (piece := kept.read(min(size, 65_536))):
                self.wfile.write(piece)
                size -= len(piece)

    def log_message(self, format: str, *words: Any) -> None:
        """Only what is refused is worth a line; see ``_refuse``."""

    @property
    def _store(self) -> Store:
        server = self.server
        if not isinstance(server, WitnessServer):
            raise TypeError("a witness's handler needs a witness's server")
        return server.store

    def _check_key(self, line: bytes) -> None:
        """The key by which the house repeats itself must be the seal's own, where it sends one."""
        given = self.headers.get("Idempotency-Key")
        if given is None:
            return
        try:
            payload = json.loads(json.loads(line)["payload"])
            wanted = f"{payload['source']}:{payload['number']}"
        except (ValueError, KeyError, TypeError) as error:
            raise Spoiled(Finding("?", Code.UNREADABLE, f"no signed line: {error}")) from error
        if given != wanted:
            raise Spoiled(Finding("?", Code.UNREADABLE, f"sent as {given}, says {wanted}"))

    def _refuse(self, finding: Finding) -> None:
        sys.stderr.write(f"refused: {finding}\n")
        status = HTTPStatus.CONFLICT
        if finding.code not in _CONTRADICTS:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        self._answer(status, {"taken": False, **finding.as_dict()})

    def _answer(self, status: HTTPStatus, facts: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(facts, sort_keys=True).encode() + b"\n")

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._head(status, kind, len(body))
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

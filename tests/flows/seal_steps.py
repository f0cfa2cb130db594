"""Sealed histories for tests, and the house's public pages over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.db import connections
from django.test import Client

from audit import seals
from audit.record import Subject, record, register
from audit.sealed_sources import AUDIT
from audit.seals import Seal
from kernel.ids import Actor

HAPPENED = register("test.happened", "Something happened")


def happen(number: int = 1) -> None:
    record(
        HAPPENED,
        actor=Actor.system("test"),
        subject=Subject("thing", str(number)),
        component="test",
        after={"number": number},
    )


def sealed(many: int) -> list[Seal]:
    """So many seals over one event each."""
    made = []
    for number in range(many):
        happen(number)
        made += seals.seal(AUDIT)
    return made


class _House(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            answer = Client().get(self.path)
            body = answer.getvalue()
        finally:
            connections.close_all()
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def served(handler: type[BaseHTTPRequestHandler] = _House) -> Iterator[str]:
    """The address of a server on this machine; the house's pages unless told otherwise."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

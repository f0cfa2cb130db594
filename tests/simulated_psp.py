"""The simulated provider as a process of a test, and what a test says to it."""

from __future__ import annotations

import http.server
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from payments.messages.signatures import api_key

ROOT = Path(__file__).resolve().parents[1]
SECRET = "a secret of this test only"
#: What tests leave as it was: every switch that one of them throws.
CALM = {
    "answer_fails": False,
    "answer_refuses": False,
    "payout_step_ms": 0,
    "payout_fails": False,
    "payout_returns": False,
    "confirm_delay_ms": 0,
    "challenge_always": False,
    "refund_fails": False,
    "refund_delay_ms": 0,
    "dispute_untold": False,
    "webhook_copies": 1,
    "webhook_wrong_signature_every": 0,
    "webhook_stale_signature": False,
    "webhook_lose_every": 0,
    "webhook_reverse": False,
    "webhook_tells_begin": False,
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Psp:
    """A running provider at ``url``; ``home`` holds its secret and its memory."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    options: tuple[str, ...] = ()

    def ask(
        self, method: str, path: str, body: dict | None = None, key: str = ""
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {api_key(SECRET)}"}
        if key:
            headers["Idempotency-Key"] = key
        return httpx.request(
            method, f"{self.url}{path}", json=body, headers=headers, trust_env=False, timeout=10
        )

    def get(self, path: str) -> dict:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict | None = None, key: str = "") -> dict:
        answer = self.ask("POST", path, body or {}, key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def switch(self, **wanted) -> None:
        self.post("/switches", wanted)

    def kill(self) -> None:
        """As a crash ends a process: nothing of it runs on."""
        self.process.kill()
        self.process.wait(10)
        self.process.stderr.close()

    def start_again(self) -> None:
        self.process = _start(self.url, self.home, self.options)


@contextmanager
def running(home: Path, *options: str) -> Iterator[Psp]:
    (home / "secret").write_text(SECRET)
    url = f"http://127.0.0.1:{free_port()}"
    psp = Psp(url, home, _start(url, home, options), options)
    try:
        yield psp
    finally:
        psp.process.terminate()
        psp.process.wait(10)
        psp.process.stderr.close()


def _start(url: str, home: Path, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
    environment = {
        k: v for k, v in os.environ.items() if k not in {"FARO_PUBLIC_URL", "FARO_STATE_DIR"}
    }
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "payments.simulated_psp", "--port", url.rsplit(":", 1)[1]),
            *("--secret-file", str(home / "secret"), "--state-file", str(home / "state.sqlite3")),
            *options,
        ],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    # One client: each new one reads all the certificates of the machine, 30 ms of processor.
    with httpx.Client(trust_env=False) as http:
        while True:
            try:
                assert http.get(f"{url}/healthz").json() == {"ok": True}
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                select.select([process.stderr], [], [], 0.05)
            else:
                return process


@dataclass
class Listener:
    """Keeps what webhooks brought, and answers as it is told."""

    url: str
    came: list[tuple[dict, bytes, str]] = field(default_factory=list)
    refuse: int = 0  # so many messages are answered 503 first
    news: threading.Condition = field(default_factory=threading.Condition)

    def types(self) -> list[str]:
        """What came, sorted: messages overtake each other on their way."""
        return sorted(message["type"] for message, _, _ in self.came)

    def of(self, kind: str) -> dict:
        [found] = [message for message, _, _ in self.came if message["type"] == kind]
        return found

    def wait_for(self, count: int) -> list[str]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.came) >= count, 15), self.types()
        return self.types()

    def forget(self) -> None:
        self.came.clear()


@contextmanager
def listening() -> Iterator[Listener]:
    """A merchant's address for news, in a thread of this process."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with heard.news:
                refused = heard.refuse > 0
                if refused:
                    heard.refuse -= 1
                else:
                    signature = self.headers["Faro-Psp-Signature"]
                    heard.came.append((json.loads(body), body, signature))
                    heard.news.notify_all()
            self.send_response(503 if refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard = Listener(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

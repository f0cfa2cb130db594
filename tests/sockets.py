"""Real web servers, and pages' sockets to them, for tests of what is pushed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from accounts.models import User
from events.relay import Relay
from kernel.ids import PlayerId

ROOT = Path(__file__).resolve().parent.parent
WAIT_S = 20.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(server: str, port: int) -> list[str]:
    """As the supervisor starts it."""
    from casino.supervisor.plan import web

    return list(web(sys.executable, port, server))


@dataclass
class Web:
    """A running web process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def web(database, log: Path, *, server: str = "uvicorn") -> Iterator[Web]:
    """A web process on ``database`` that answers; ended with the block."""
    port = free_port()
    with log.open("ab") as out:
        process = subprocess.Popen(
            command(server, port),
            cwd=ROOT,
            env=database.environment() | {"FARO_PARENT": str(os.getpid())},
            stdout=out,
            stderr=out,
        )
    running = Web(port, process)
    try:
        _wait_until_up(running, log)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(running: Web, log: Path) -> None:
    deadline = time.monotonic() + 60
    # One client: each new one reads all the certificates of the machine, 30 ms of processor.
    with httpx.Client(timeout=5, trust_env=False) as http:
        while time.monotonic() < deadline:
            if running.process.poll() is not None:
                break
            try:
                http.get(f"{running.base}/healthz")
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return
    raise AssertionError(f"the web process never answered:\n{log.read_text()[-3000:]}")


@contextmanager
def relaying() -> Iterator[Relay]:
    """A relay in a thread of this process."""
    relay = Relay(ttl_ms=1_000)
    thread = threading.Thread(target=relay.run, name="relay")
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(10)


@dataclass
class Browser:
    """A signed-in person's cookie."""

    user_id: int
    cookie: str
    client: Client = field(repr=False, default_factory=Client)

    def ticket(self, table: str = "alexandria") -> str:
        """Asked for by the view, in this process: the servers share the secret key."""
        answer = self.client.get(f"/tables/{table}/ticket")
        assert answer.status_code == 200, answer.content
        return str(answer.json()["ticket"])


def browser(player_id: PlayerId) -> Browser:
    """Sign ``player_id`` in, as a session of a browser of their own."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(
        User.objects.get(pk=player_id),
        backend="accounts.authentication.PasswordAtOwnDoor",
    )
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert Session.objects.filter(session_key=cookie).exists()
    UserSession.objects.create(
        user_id=player_id, session_key=cookie, ip="127.0.0.1", user_agent="test"
    )
    return Browser(int(player_id), cookie, client)


class Page:
    """The socket of an open page: every frame it got, in order."""

    def __init__(self, socket_: ClientConnection) -> None:
        self.socket = socket_
        self.frames: list[dict[str, Any]] = []
        self.read = 0

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def next(self, *kinds: str, timeout_s: float = WAIT_S, **facts: Any) -> dict[str, Any]:
        """The next frame of one of ``kinds`` (any) in whose data these facts are; others are kept
        in ``frames`` and passed over."""
        deadline = time.monotonic() + timeout_s
        while True:
            while self.read < len(self.frames):
                frame = self.frames[self.read]
                self.read += 1
                data = frame.get("d", frame)
                if (not kinds or frame["k"] in kinds) and all(
                    data.get(name) == value for name, value in facts.items()
                ):
                    return frame
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no {kinds} {facts} among {self.frames[-5:]}")
            try:
                self.frames.append(json.loads(self.socket.recv(timeout=left)))
            except TimeoutError:
                continue

    def ever(self, *kinds: str, **facts: Any) -> dict[str, Any]:
        """As :meth:`next`, but one that was passed over before counts as well."""
        self.read = 0
        return self.next(*kinds, **facts)

    def closed(self, timeout_s: float = WAIT_S) -> tuple[int, str]:
        """Read on until the socket is closed; its code and reason."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                self.frames.append(json.loads(self.socket.recv(timeout=1)))
            except TimeoutError:
                continue
            except ConnectionClosed as end:
                return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")
        raise AssertionError(f"still open after {timeout_s} s: {self.frames[-3:]}")

    def events(self) -> list[dict[str, Any]]:
        """Snapshots and events of the table's stream, as they came."""
        return [frame for frame in self.frames if frame.get("s", "").startswith("t:")]


@contextmanager
def page(
    running: Web,
    who: Browser,
    *,
    table: str = "alexandria",
    ticket: str | None = None,
    since: str = "",
    origin: str | None = None,
) -> Iterator[Page]:
    """An open page of ``table``."""
    given = who.ticket(table) if ticket is None else ticket
    query = f"?ticket={given}" + (f"&since={since}" if since else "")
    with connect(
        f"ws://127.0.0.1:{running.port}/ws/tables/{table}/{query}",
        origin=Origin(running.base if origin is None else origin),
        additional_headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={who.cookie}"},
        compression=None,
        proxy=None,
        open_timeout=WAIT_S,
        close_timeout=2,
    ) as socket_:
        yield Page(socket_)

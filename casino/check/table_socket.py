"""The socket of an open table page, as docs/push.md describes it from the page's side."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from casino.check.failure import StepFailed
from casino.check.visitor import Visitor
from kernel.clock import monotonic_ms
from tables.phases import FINISHED

#: docs/push.md: with nothing heard for so long a page takes the connection for lost.
SILENCE_MS_MAX: Final = 12_000
#: docs/push.md: no answer within so long, and a page asks again.
ANSWER_MS_MAX: Final = 6_000


class TableSocket:
    """One page's socket: every frame, whether any was missing, and what was answered how fast."""

    def __init__(self, visitor: Visitor, base: str, table: str) -> None:
        ticket = visitor.json(f"/tables/{table}/ticket")["ticket"]
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies().items())
        try:
            self._socket = connect(
                f"ws://{urlsplit(base).netloc}/ws/tables/{table}/?ticket={ticket}",
                origin=Origin(base.rstrip("/")),
                additional_headers={"Cookie": cookies},
                proxy=None,
            )
        except (WebSocketException, OSError) as failure:
            raise StepFailed(f"the table's socket does not open: {failure}") from failure
        self.frames = 0
        self.gaps = 0
        self.ack_ms: list[int] = []
        self.account: dict[str, Any] = {}
        self.round: dict[str, Any] | None = None
        #: (round, phase) in the order in which they came.
        self.phases: list[tuple[int, str]] = []
        #: What the last event of each finished round said.
        self.ended: dict[int, dict[str, Any]] = {}
        self._at: tuple[str, int] | None = None

    def bet(self, round_number: int, code: str, minor: int) -> dict[str, Any] | None:
        """Bet and wait for the answer: its data, or None where it was refused."""
        key = secrets.token_hex(16)
        message = {"k": "bet", "key": key, "round": round_number, "stakes": [[code, minor]]}
        began_ms = monotonic_ms()
        self._send(message)
        answer: list[dict[str, Any]] = []

        def answered(frame: dict[str, Any]) -> bool:
            if frame["k"] == "answer" and frame["key"] == key:
                answer.append(frame)
            return bool(answer)

        self.until("the bet's answer", answered, within_ms=ANSWER_MS_MAX)
        self.ack_ms.append(monotonic_ms() - began_ms)
        return dict(answer[0]["d"]) if answer[0]["ok"] else None

    def until(
        self, what: str, done: Callable[[dict[str, Any]], bool], *, within_ms: int
    ) -> dict[str, Any]:
        """Take frames until one is what was waited for; it is returned."""
        deadline = monotonic_ms() + within_ms
        while monotonic_ms() < deadline:
            frame = self._next(min(SILENCE_MS_MAX, deadline - monotonic_ms()))
            if frame is not None and done(frame):
                return frame
        raise StepFailed(f"{what} did not come over the socket within {within_ms / 1000:g} s")

    def close(self) -> None:
        """Leave the table."""
        self._socket.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message))
        except (WebSocketException, OSError) as failure:
            raise StepFailed(f"the table's socket ended: {failure}") from failure

    def _next(self, timeout_ms: int) -> dict[str, Any] | None:
        try:
            frame = json.loads(self._socket.recv(timeout=max(1, timeout_ms) / 1_000))
        except TimeoutError:
            if timeout_ms >= SILENCE_MS_MAX:
                raise StepFailed("the socket was silent for 12 s: not even a beat") from None
            return None
        except (WebSocketException, OSError) as failure:
            raise StepFailed(f"the table's socket ended: {failure}") from failure
        self.frames += 1
        self._take(frame)
        return dict(frame)

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["k"] == "account":
            if frame["n"] > self.account.get("n", -1):
                self.account = frame["d"] | {"n": frame["n"]}
        elif str(frame.get("s", "")).startswith("t:"):
            self._apply(frame)

    def _apply(self, frame: dict[str, Any]) -> None:
        """As a page would: a snapshot stands for itself, an event has to continue the last one."""
        if frame["k"] != "snapshot" and self._at != (frame["e"], frame["n"] - 1):
            self.gaps += 1
        self._at = frame["e"], frame["n"]
        data = frame["d"]
        if frame["k"] == "snapshot":
            self.round = data["round"]
        elif data.get("phase") == "betting_open":
            self.round = {"number": data["round"], **data}
        elif data.get("phase") in FINISHED:
            self.ended[data["round"]] = data
        if self.round is not None:
            phase = data["round"]["phase"] if frame["k"] == "snapshot" else data.get("phase")
            if phase is not None:
                self.round["phase"] = phase
                self.phases.append((int(self.round["number"]), phase))

"""A house that says exactly what a test wants, when it wants: the push protocol without a server.

The page itself comes from the real web server. Only its ticket and its socket are answered here, so
that a test can send frames out of order, keep answers back and be late.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

EPOCH = "a1b2c3d4"
WAIT_MS = 5_000


def now_ms() -> int:
    """The fake house's clock."""
    return time.time_ns() // 1_000_000


class FakePush:
    """One page's connection. ``answer`` says what becomes of a bet; None keeps silent."""

    def __init__(self, page: Page, table: str) -> None:
        self.page = page
        self.table = table
        self.n = 0
        self.account_n = 0
        self.sockets: list[WebSocketRoute] = []
        self.since: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], dict[str, Any] | None] = self.accept
        self.status, self.reason = "open", None
        self.round: dict[str, Any] | None = None
        self.results: list[list[int]] = []
        self.ticket_status = 200
        self.greets = True
        self.account_state: dict[str, Any] = {
            "currency": "EUR",
            "balance_minor": 50_000,
            "on_table_minor": 0,
            "net_minor": 0,
            "started_at": now_ms() - 61_000,
            "round": None,
            "bets": [],
            "reveal_at": None,
        }
        page.route(f"**/tables/{table}/ticket", self._ticket)
        page.route_web_socket(f"**/ws/tables/{table}/**", self._joined)

    # what the page sees

    def _ticket(self, route: Route) -> None:
        body = json.dumps({"ticket": "fake", "expires_at": now_ms() + 60_000})
        route.fulfill(status=self.ticket_status, content_type="application/json", body=body)

    def _joined(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        self.since.append(socket.url.partition("since=")[2])
        socket.on_message(lambda text: self._heard(socket, json.loads(str(text))))
        if self.greets:
            self.snapshot(socket)
            self.account(socket=socket)

    def _heard(self, socket: WebSocketRoute, said: dict[str, Any]) -> None:
        if said["k"] == "ping":
            socket.send(json.dumps({"k": "pong", "t": said["t"], "now": now_ms()}))
            return
        self.sent.append(said)
        if said["k"] == "resync":
            self.snapshot(socket)
            self.account(socket=socket)
            return
        answer = self.answer(said)
        if answer is not None:
            socket.send(json.dumps({"k": "answer", "key": said["key"], **answer}))

    def accept(self, said: dict[str, Any]) -> dict[str, Any]:
        """An answer that takes the bet as it is."""
        stakes = said.get("stakes", [])
        total = sum(minor for _, minor in stakes)
        number = self.round["number"] if self.round else 0
        return {
            "ok": True,
            "d": {
                "round": number,
                "stakes": stakes,
                "total_minor": total,
                "receipt": "0190-7k2m",
            },
        }

    @staticmethod
    def refuse(text: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Answers that take nothing."""
        return lambda said: {"ok": False, "code": "too_late", "text": text}

    # what the house says

    @property
    def socket(self) -> WebSocketRoute:
        return self.sockets[-1]

    def joined(self, times: int = 1) -> None:
        """Waits until the page has connected so many times."""
        for _ in range(WAIT_MS // 20):
            if len(self.sockets) >= times:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"connected {len(self.sockets)} times, not {times}")

    def asked(self, count: int = 1) -> list[dict[str, Any]]:
        """Waits until the page has asked for so many things, and gives them."""
        for _ in range(2 * WAIT_MS // 20):
            if len(self.sent) >= count:
                return self.sent
            self.page.wait_for_timeout(20)
        raise AssertionError(f"asked {self.sent}, not {count} times")

    def tell(self, **frame: Any) -> None:
        """Any frame."""
        self.socket.send(json.dumps(frame))

    def snapshot(self, socket: WebSocketRoute | None = None) -> None:
        data = {
            "status": self.status,
            "reason": self.reason,
            "round": self.round,
            "results": self.results,
            "now": now_ms(),
        }
        self._send(socket or self.socket, "snapshot", data)

    def _send(self, socket: WebSocketRoute, kind: str, data: dict[str, Any]) -> None:
        frame = {
            "v": 1,
            "s": f"t:{self.table}",
            "e": EPOCH,
            "n": self.n,
            "k": kind,
            "t": now_ms(),
            "d": data,
        }
        socket.send(json.dumps(frame))

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """The next event of the table."""
        self.n += 1
        self._send(self.socket, kind, {"at": now_ms(), **data})

    def phase(self, phase: str, **data: Any) -> None:
        """The next phase of the round in play."""
        assert self.round is not None
        self.round |= {"phase": phase, "at": now_ms(), **data}
        self.event("phase", {"round": self.round["number"], "phase": phase, **data})

    def open_round(self, number: int, window_ms: int = 15_000, *, tell: bool = True) -> None:
        """Betting opens."""
        if self.round and self.round["result"] is not None:
            self.results.insert(0, [self.round["result"], self.round["number"]])
        opened = now_ms()
        fields = {"opened_at": opened, "closes_at": opened + window_ms}
        self.round = {
            "number": number,
            "phase": "betting_open",
            "at": opened,
            "respins": 0,
            "result": None,
            "colour": None,
            "sources": None,
            "reveal_at": None,
            "reason": None,
            "next_at": None,
            **fields,
        }
        if tell:
            self.phase("betting_open", **fields)

    def official(self, result: int, colour: str, reveal_at: int | None = None) -> None:
        """The result is official."""
        self.phase(
            "official",
            result=result,
            colour=colour,
            sources=["presenter", "sensor"],
            reveal_at=now_ms() if reveal_at is None else reveal_at,
        )

    def settled(self, result: int, colour: str) -> None:
        """Official, and everybody is paid."""
        self.official(result, colour)
        self.phase("settled", result=result, colour=colour, next_at=now_ms() + 60_000)

    def no_spin(self, reason: str) -> None:
        """The ball counts for nothing; bets stay."""
        assert self.round is not None
        self.round |= {"phase": "no_spin", "respins": 1, "reason": reason, "at": now_ms()}
        facts = {"phase": "no_spin", "reason": reason, "respins": 1}
        self.event("no_spin", {"round": self.round["number"], **facts})

    def suspended(self, fault: str) -> None:
        """The table stops, and the round with it."""
        assert self.round is not None
        self.status, self.reason = "suspended", fault
        self.round |= {"phase": "suspended", "at": now_ms()}
        facts = {"phase": "suspended", "fault": fault}
        self.event("suspended", {"round": self.round["number"], **facts})

    def voided(self) -> None:
        """Stopped, and every bet returned."""
        self.suspended("device_fault")
        self.phase("voided", reason="device_fault", next_at=None)

    def account(self, *, socket: WebSocketRoute | None = None, **changes: Any) -> None:
        """The account's state, changed."""
        self.account_n += 1
        self.account_state |= changes
        frame = {
            "v": 1,
            "s": "u",
            "n": self.account_n,
            "k": "account",
            "t": now_ms(),
            "d": self.account_state,
        }
        (socket or self.socket).send(json.dumps(frame))

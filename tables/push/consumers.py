"""The socket of an open table page: the table's stream, the player's account, the player's acts.

An ordinary Channels consumer without channel layer. Everything it hears comes from the hub of this
process (`events.hub`), everything it says waits in a bounded queue (`events.socket_queue`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http.cookie import parse_cookie
from django.utils import translation

from events import tickets
from events.hub import CLOCK, Hub, LiveStream, local_hub
from events.socket_queue import SocketQueue
from kernel.clock import epoch_ms, monotonic_ms
from kernel.ids import PlayerId
from kernel.refusal import Refused
from tables import wording
from tables.bets import forms as bet_forms
from tables.bets.betting import Answer
from tables.floor_plan import stream_name
from tables.push import messages as push_messages
from tables.push import snapshots
from tables.push.account_desk import AccountDesk
from tables.push.account_state import AccountState, Seat
from tables.push.acts import PageActs
from tables.push.messages import Ping, Resync

logger = logging.getLogger(__name__)

#: docs/push.md: "anything else", so the page comes back. daphne's library sends no other code
#: below 3000; uvicorn closes with 1012 by itself when it stops.
CLOSE_COME_BACK: Final = 1000
CLOSE_TICKET: Final = 4001
CLOSE_ORDER: Final = 4003
CLOSE_NONSENSE: Final = 4009
#: docs/push.md: more messages in a second close the socket.
MESSAGES_PER_S_MAX: Final = 20
#: Tables in tabs and phones of one person, in one process.
SOCKETS_PER_PERSON_MAX: Final = 20


class TableSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """One open page of one table. Keeps nothing that must survive it."""

    #: Names no layer, so that there is none: no group, no queue in Valkey per socket.
    channel_layer_alias = "none"

    user_id: int
    session: str
    session_key: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seat: Seat | None = None
        self.acted = False
        self._hub: Hub = local_hub()
        self._queue = SocketQueue(self._send_text)
        self._live: LiveStream | None = None
        self._desk: AccountDesk | None = None
        self._acts: PageActs | None = None
        self._writer: asyncio.Task[None] | None = None
        self._resyncing: asyncio.Task[None] | None = None
        self._account_id: int | None = None
        self._account_n = -1
        self._language = settings.LANGUAGE_CODE
        self._heard_ms: deque[int] = deque(maxlen=MESSAGES_PER_S_MAX)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """However it ends, nobody here keeps a socket that has gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without the hop into a thread that Channels makes before each message to close database
        connections: this consumer has none."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        """Let in whoever has a good ticket; the close code says what is wrong with another."""
        await self.accept()
        try:
            ticket = self._ticket()
        except Refused:
            await self.close(CLOSE_TICKET)
            return
        if self._hub.people.of(ticket.user_id) >= SOCKETS_PER_PERSON_MAX:
            await self.close(CLOSE_NONSENSE)
            return
        self.user_id, self.session = ticket.user_id, ticket.session
        self._language = ticket.language
        if ticket.currency:
            started = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                milliseconds=ticket.started_at_ms
            )
            self.seat = Seat(PlayerId(ticket.user_id), ticket.currency, started)
        try:
            await self._sit_down(ticket.place)
        except (DatabaseError, InterfaceError) as failure:
            logger.warning("nobody can join: %s", failure)
            await self.close(CLOSE_COME_BACK)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """One message of the page."""
        if self._acts is None or self._queue.closing is not None:
            return
        now_ms = monotonic_ms()
        too_fast = len(self._heard_ms) == MESSAGES_PER_S_MAX and now_ms - self._heard_ms[0] < 1_000
        self._heard_ms.append(now_ms)
        try:
            if too_fast or text_data is None:
                raise ValueError("too much, or bytes")
            message = push_messages.parse(text_data)
        except ValueError:
            self._queue.close(CLOSE_NONSENSE)
            return
        if isinstance(message, Ping):
            self._queue.answer(push_messages.pong(message, epoch_ms(CLOCK.now())))
        elif isinstance(message, Resync):
            self._resync()
        else:
            self.acted = True
            self._acts.take(message)

    async def disconnect(self, code: int) -> None:
        """The page has gone."""
        self._leave()

    # -- what the hub and the desk call ----------------------------------------------------------

    def account_changed(self) -> None:
        """News of the player's account."""
        if self._desk is not None:
            self._desk.note(self)

    def ordered_out(self, code: str) -> None:
        """Say why, and end. A page that does not read is cut off all the same."""
        if self._queue.closing is None:
            with translation.override(self._language):
                text = wording.closed_text(code)
            self._queue.answer(push_messages.closed(code, text))
            self._queue.close(CLOSE_ORDER)
            asyncio.get_running_loop().call_later(1, self._queue.give_up)

    def account(self, state: AccountState, frame: str) -> None:
        """Send the player's account, unless it is not newer than what was sent."""
        if self._account_id is None and state.account_id is not None:
            self._account_id = state.account_id
            self._hub.people.note_account(self, state.account_id)
        if state.n > self._account_n:
            self._account_n = state.n
            self._queue.state(frame)

    # -- inside ----------------------------------------------------------------------------------

    def _ticket(self) -> tickets.Ticket:
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        cookies: dict[str, str] = {}
        for name, value in self.scope["headers"]:
            if name == b"cookie":
                cookies |= parse_cookie(value.decode("latin-1"))
        self.session_key = cookies.get(settings.SESSION_COOKIE_NAME, "")
        return tickets.read(
            query.get("ticket", [""])[0],
            place=self.scope["url_route"]["kwargs"]["table_id"],
            session_key=self.session_key,
        )

    async def _sit_down(self, table_id: str) -> None:
        """Snapshot or missed frames first, then the account; orders reach us from before both."""
        self._hub.people.enter(self)
        since = parse_qs(self.scope["query_string"].decode("latin-1")).get("since", [""])[0]
        self._live = await self._hub.join(
            stream_name(table_id), snapshots.read, self._queue, since=since
        )
        self._desk = _desk(self._hub, self._live, table_id)
        self._desk.enter(self)
        player = None if self.seat is None else (self.seat.player_id, self.seat.currency)
        self._acts = PageActs(self._hub, table_id, player, self._answer)
        self._writer = asyncio.ensure_future(self._write())

    def _leave(self) -> None:
        """Idempotent: the page went, or the server goes."""
        if self._writer is not None:
            self._writer.cancel()
        if self._resyncing is not None:
            self._resyncing.cancel()
        if self._live is not None:
            self._hub.leave(self._live, self._queue)
        if self._desk is not None:
            self._desk.exit(self)
        if hasattr(self, "user_id"):
            self._hub.people.exit(self, self._account_id)

    def _answer(self, key: str, answer: Answer) -> None:
        if isinstance(answer, Refused):
            with translation.override(self._language):
                text = bet_forms.refusal_text(answer)
            self._queue.answer(push_messages.refused(key, answer, text))
            return
        self._queue.answer(push_messages.accepted(key, answer))
        self.account_changed()

    def _resync(self) -> None:
        """At most one at a time: a page that asks again meanwhile gets the one it asked for."""
        if self._resyncing is None or self._resyncing.done():
            self._resyncing = asyncio.ensure_future(self._take_snapshot())

    async def _take_snapshot(self) -> None:
        if self._live is None:
            return
        try:
            await self._live.resync(self._queue)
        except (DatabaseError, InterfaceError) as failure:
            logger.warning("no snapshot: %s", failure)
            self._queue.close(CLOSE_COME_BACK)
        self._account_n = -1
        self.account_changed()

    async def _write(self) -> None:
        with suppress(OSError):
            await self.close(await self._queue.write())

    async def _send_text(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})


_desks: WeakKeyDictionary[LiveStream, AccountDesk] = WeakKeyDictionary()


def _desk(hub: Hub, live: LiveStream, table_id: str) -> AccountDesk:
    desk = _desks.get(live)
    if desk is None:
        desk = _desks[live] = AccountDesk(hub, live, table_id)
    return desk

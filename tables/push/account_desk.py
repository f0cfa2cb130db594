"""Tells the players at one table, in one process, what became of their money.

Whoever's account changed is noted and the accounts of all noted are read together, so that a round
that pays thousands costs a few queries. Read anew: on a hint, after one's own act, when a round
opens or ends, and every 15 seconds, when sessions that have ended are found out as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from django.db import DatabaseError, InterfaceError

from accounts import idle, sessions
from events.hub import CLOCK, FAILURE_PAUSE_S, Hub, LiveStream
from events.people import Guest
from events.stream import Event
from kernel.clock import epoch_ms
from tables.push import account_state
from tables.push.account_state import AccountState, Seat

logger = logging.getLogger(__name__)

#: What a lost hint may cost.
LOOK_EVERY_S: Final = 15
#: Accounts in one read: a few ms, and the event loop serialises them in about as long.
BATCH_MAX: Final = 500
#: Phases after which every account at the table is another.
_TURNS: Final = {"betting_open", "settled", "voided"}
#: The code of a `closed` frame when a session has ended without a hint.
SIGNED_OUT: Final = "signed_out"


class Sitter(Guest, Protocol):
    """A socket at the table."""

    session_key: str
    seat: Seat | None
    #: Whether the player did something here since this was last looked at.
    acted: bool

    def account(self, state: AccountState, frame: str) -> None:
        """What the player's account is now."""


class AccountDesk:
    """The sockets of one table in this process, and whose accounts have to be read."""

    def __init__(self, hub: Hub, live: LiveStream, table_id: str) -> None:
        self._hub = hub
        self._live = live
        self._table_id = table_id
        self._sitters: set[Sitter] = set()
        self._noted: set[Sitter] = set()
        self._wake = asyncio.Event()
        self._work_task: asyncio.Task[None] | None = None
        self._look_task: asyncio.Task[None] | None = None

    def enter(self, sitter: Sitter) -> None:
        """Seat ``sitter``, and read the account."""
        self._sitters.add(sitter)
        if self._work_task is None:
            self._live.watchers.add(self._watch)
            self._work_task = asyncio.ensure_future(self._work())
            self._look_task = asyncio.ensure_future(self._look())
        self.note(sitter)

    def exit(self, sitter: Sitter) -> None:
        """``sitter`` has gone; with the last one the desk closes. Idempotent."""
        self._sitters.discard(sitter)
        self._noted.discard(sitter)
        if not self._sitters and self._work_task is not None and self._look_task is not None:
            self._live.watchers.discard(self._watch)
            self._work_task.cancel()
            self._look_task.cancel()
            self._work_task = self._look_task = None

    def note(self, sitter: Sitter) -> None:
        """The account of ``sitter`` has to be read."""
        if sitter.seat is not None and sitter in self._sitters:
            self._noted.add(sitter)
            self._wake.set()

    def _watch(self, event: Event | None) -> None:
        if event is None or event.data.get("phase") in _TURNS:
            self._note_all()

    def _note_all(self) -> None:
        self._noted |= {sitter for sitter in self._sitters if sitter.seat is not None}
        self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._noted:
                batch = [self._noted.pop() for _ in range(min(BATCH_MAX, len(self._noted)))]
                try:
                    await self._read(batch)
                except (DatabaseError, InterfaceError) as failure:
                    logger.warning("accounts not read: %s", failure)
                    self._noted |= self._sitters.intersection(batch)
                    await asyncio.sleep(FAILURE_PAUSE_S)
                except Exception:
                    logger.exception("accounts not read", extra={"table": self._table_id})

    async def _read(self, batch: Sequence[Sitter]) -> None:
        seats = [sitter.seat for sitter in batch if sitter.seat is not None]
        states = await self._hub.read(account_state.read, self._table_id, seats)
        now_ms = epoch_ms(CLOCK.now())
        for sitter, state in zip(batch, states, strict=True):
            if sitter in self._sitters:
                sitter.account(state, state.frame(now_ms))

    async def _look(self) -> None:
        """What hints may have missed, accounts and sessions that have ended; and who bets here."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            sitters = list(self._sitters)
            acted = [sitter for sitter in sitters if sitter.acted]
            try:
                if acted:
                    await self._hub.read(idle.note_use, [one.session_key for one in acted])
                    for one in acted:
                        one.acted = False
                living = await self._hub.read(
                    sessions.living, [sitter.session_key for sitter in sitters]
                )
            except (DatabaseError, InterfaceError) as failure:
                logger.warning("sessions not looked at: %s", failure)
                continue
            for sitter in sitters:
                if sitter.session_key not in living:
                    sitter.ordered_out(SIGNED_OUT)
            self._note_all()

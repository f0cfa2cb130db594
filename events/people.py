"""Who has a socket open in this process, and the hints that concern them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Any, Final, Protocol

import redis
import redis.asyncio
from django.conf import settings

from events import hints

logger = logging.getLogger(__name__)

#: Pause while Valkey is away; the guests' own looking goes on meanwhile.
AWAY_PAUSE_S: Final = 0.5


class Guest(Protocol):
    """A socket of a person."""

    user_id: int
    session: str

    def account_changed(self) -> None:
        """The account of this guest has new entries."""

    def ordered_out(self, code: str) -> None:
        """The socket ends, by order."""


class People:
    """The guests of this process, found by person and by ledger account."""

    def __init__(self) -> None:
        self._by_user: defaultdict[int, set[Guest]] = defaultdict(set)
        self._by_account: defaultdict[int, set[Guest]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    def enter(self, guest: Guest) -> None:
        """From now on orders reach ``guest``; the first guest begins the listening."""
        self._by_user[guest.user_id].add(guest)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.ensure_future(self._listen())

    def of(self, user_id: int) -> int:
        """How many sockets the person has here."""
        return len(self._by_user.get(user_id, ()))

    def note_account(self, guest: Guest, account_id: int) -> None:
        """From now on news of this account reach ``guest``."""
        self._by_account[account_id].add(guest)

    def exit(self, guest: Guest, account_id: int | None) -> None:
        """``guest`` has gone. Idempotent."""
        _remove(self._by_user, guest.user_id, guest)
        if account_id is not None:
            _remove(self._by_account, account_id, guest)

    def take(self, hint: hints.Hint) -> None:
        """Pass a hint on to whom it concerns."""
        match hint:
            case hints.Changed(account_ids):
                for account_id in account_ids & self._by_account.keys():
                    for guest in list(self._by_account[account_id]):
                        guest.account_changed()
            case hints.Close(user_id, code, sessions):
                for guest in list(self._by_user.get(user_id, ())):
                    if sessions is None or guest.session in sessions:
                        guest.ordered_out(code)

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        client: Any = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
        try:
            while True:
                try:
                    await self._hear(client)
                except (redis.RedisError, OSError) as failure:
                    logger.warning("hints are not heard: %s", failure)
                    await asyncio.sleep(AWAY_PAUSE_S)
        finally:
            await client.aclose()

    async def _hear(self, client: Any) -> None:
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(hints.CHANNEL)
            while True:
                message = await pubsub.get_message(timeout=None)
                if message is None:
                    continue
                try:
                    self.take(hints.parse(message["data"]))
                except ValueError as error:
                    logger.warning("hint not understood: %s", error)
        finally:
            await pubsub.aclose()


def _remove(index: defaultdict[int, set[Guest]], key: int, guest: Guest) -> None:
    guests = index.get(key)
    if guests is not None:
        guests.discard(guest)
        if not guests:
            del index[key]

"""The acts of one page, in the order in which they were sent.

Bets go to the intake at once and share its batches; an act that looks at what stands (undo, rebet,
double) waits until the bets before it have their answers. Answers come from the committing process.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from events.hub import Hub
from kernel.ids import PlayerId
from kernel.refusal import Refused
from tables.bets import repeats
from tables.bets.betting import Answer
from tables.bets.forms import FormCode
from tables.bets.intake import ANSWER_TIMEOUT_S, submit
from tables.bets.slips import BettingCode, PlaceBets, place_bets
from tables.bets.undo import undo_with_retries
from tables.push.messages import Act, Again, Announced, Bet, Undo
from tables.rules import roulette

logger = logging.getLogger(__name__)

#: Acts of one page without an answer; beyond it the page is told to wait.
WAITING_MAX: Final = 60


class PageActs:
    """The acts of one socket. Belongs to the event loop; never blocks it."""

    def __init__(
        self,
        hub: Hub,
        table_id: str,
        player: tuple[PlayerId, str] | None,
        tell: Callable[[str, Answer], None],
    ) -> None:
        self._hub = hub
        self._table_id = table_id
        self._player = player
        self._tell = tell
        self._waiting: deque[Act] = deque()
        self._betting: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None

    def take(self, act: Act) -> None:
        """Queue ``act``; its answer is told when it is there."""
        if self._player is None:
            self._tell(act.key, Refused(FormCode.NOT_A_PLAYER))
        elif len(self._waiting) + len(self._betting) >= WAITING_MAX:
            self._tell(act.key, Refused(BettingCode.BUSY, waiting=WAITING_MAX))
        else:
            self._waiting.append(act)
            if self._worker is None or self._worker.done():
                self._worker = asyncio.ensure_future(self._work(*self._player))

    async def _work(self, player_id: PlayerId, currency: str) -> None:
        while self._waiting:
            act = self._waiting.popleft()
            if not isinstance(act, Bet | Announced) and self._betting:
                await asyncio.wait(self._betting)
            try:
                if isinstance(act, Bet | Announced):
                    self._submit(act.key, self._slip(act, player_id, currency))
                elif isinstance(act, Undo):
                    self._tell(act.key, await self._undo(act, player_id))
                else:
                    await self._repeat(act, player_id, currency)
            except Refused as refusal:
                self._tell(act.key, refusal)
            except Exception:
                logger.exception("an act failed", extra={"table": self._table_id})
                self._tell(act.key, Refused(BettingCode.BUSY, waiting=0))

    def _slip(self, act: Bet | Announced, player_id: PlayerId, currency: str) -> PlaceBets:
        if isinstance(act, Bet):
            stakes = list(act.stakes)
        else:
            called = roulette.parse_announced(act.code)
            stakes = [(p.code, minor) for p, minor in roulette.expand(called, act.chip_minor)]
        return place_bets(
            player_id,
            self._table_id,
            key=act.key,
            currency=currency,
            stakes=stakes,
            round_number=act.round,
        )

    async def _undo(self, act: Undo, player_id: PlayerId) -> Answer:
        def undo() -> Answer:
            return undo_with_retries(player_id, self._table_id, key=act.key)

        return await self._hub.act(undo)

    async def _repeat(self, act: Again, player_id: PlayerId, currency: str) -> None:
        def filled() -> PlaceBets | Answer:
            return repeats.repeat(
                act.wish,
                player_id,
                self._table_id,
                key=act.key,
                currency=currency,
                round_number=act.round,
            )

        found = await self._hub.act(filled)
        if isinstance(found, PlaceBets):
            self._submit(act.key, found)
        else:
            self._tell(act.key, found)

    def _submit(self, key: str, slip: PlaceBets) -> None:
        task = asyncio.ensure_future(self._answered(key, submit(slip)))
        self._betting.add(task)
        task.add_done_callback(self._betting.discard)

    async def _answered(self, key: str, future: Future[Answer]) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await _bridged(future)
        except TimeoutError:
            answer = Refused(BettingCode.BUSY, waiting=0)
        except Exception:
            logger.exception("a batch failed", extra={"table": self._table_id})
            answer = Refused(BettingCode.BUSY, waiting=0)
        self._tell(key, answer)


def _bridged(future: Future[Answer]) -> asyncio.Future[Answer]:
    """``future`` for this loop. Unlike ``asyncio.wrap_future`` it never cancels the original: the
    batch that sets it holds the slips of others."""
    loop = asyncio.get_running_loop()
    mine: asyncio.Future[Answer] = loop.create_future()

    def pass_on() -> None:
        if mine.done():
            return
        error = future.exception()
        if error is None:
            mine.set_result(future.result())
        else:
            mine.set_exception(error)

    def done(_: Future[Answer]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pass_on)

    future.add_done_callback(done)
    return mine

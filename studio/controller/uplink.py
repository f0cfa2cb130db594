"""One table's line to the platform: at once on news, a heartbeat otherwise, one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from studio.controller.outbox import Outbox
from studio.controller.transport import NotDelivered, Transport
from studio.lifetime import until_woken
from studio.protocol.report import OBSERVATIONS_MAX, Cue, Report
from studio.protocol.signatures import Signed

log = logging.getLogger(__name__)

#: As often as the wheel itself speaks; never so often that heartbeats crowd out the platform.
_HEARTBEAT_S: Final = 0.5
_HEARTBEAT_S_MIN: Final = 0.1
_RETRY_S: Final = (0.05, 2.0)


class Uplink:
    """Guarantees per device: delivered in order, at least once, until acknowledged.

    The platform takes repeats of the same bytes as one, so a result counts once.
    """

    def __init__(
        self,
        table: str,
        transport: Transport,
        outbox: Outbox,
        *,
        alive: Callable[[], tuple[Signed, ...]],
        on_cue: Callable[[Cue], None],
        time_scale: float,
    ) -> None:
        self._table, self._transport, self._outbox = table, transport, outbox
        self._alive, self._on_cue = alive, on_cue
        self._interval_s = max(_HEARTBEAT_S * time_scale, _HEARTBEAT_S_MIN)
        self._news = asyncio.Event()
        self._failures = 0

    def news(self) -> None:
        """Something was added to the outbox: report now, or as soon as the line is free."""
        if self._failures == 0:
            self._news.set()

    async def run(self) -> None:
        """Report until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            began = loop.time()
            pause_s = await self._exchange()
            if pause_s > 0:
                await until_woken(self._news, began + pause_s)

    async def flush(self) -> None:
        """One last attempt to deliver what waits."""
        if len(self._outbox):
            await self._exchange()

    async def _exchange(self) -> float:
        """Post what waits, oldest first; returns after how many seconds to post again."""
        batch = self._outbox.oldest(OBSERVATIONS_MAX)
        try:
            answer = await self._transport.post(Report(self._table, batch, self._alive()))
        except NotDelivered as error:
            return self._failed(error)
        if self._failures:
            log.info("platform answers again", extra={"table": self._table})
        self._failures = 0
        done = self._outbox.acknowledge(answer.acked)
        self._on_cue(answer.cue)
        # More waits already; but a platform that acknowledges nothing is not pressed harder.
        return 0 if done and len(self._outbox) else self._interval_s

    def _failed(self, error: NotDelivered) -> float:
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:  # the 1st, 2nd, 4th, 8th …: logs stay small
            log.warning(
                "report not delivered",
                extra={
                    "table": self._table,
                    "why": str(error),
                    "refused": error.refused,
                    "failures": self._failures,
                    "waiting": len(self._outbox),
                },
            )
        return min(_RETRY_S[0] * (1 << min(self._failures - 1, 10)), _RETRY_S[1])

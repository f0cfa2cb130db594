"""Signed webhooks of the simulated provider: copies, delays, losses, retries."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, Final

import httpx

from kernel.clock import SystemClock, epoch_ms
from payments import signatures
from payments.simulated_psp.faults import Faults
from payments.simulated_psp.store import new_object_id

log = logging.getLogger("simulated_psp")

#: Seconds between tries; a platform that is down for longer learns by asking.
RETRIES_S: Final = (0.5, 1, 2, 4, 8, 16, 32)
TIMEOUT_S: Final = 5.0


class Hooks:
    """Sends each event to one address until it answers 2xx or the tries are used up."""

    def __init__(self, url: str, secret: str, faults: Faults) -> None:
        self._url, self._secret, self._faults = url, secret, faults
        self._sent = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    def tell(self, one: dict[str, Any]) -> None:
        """Send news about an object as it is now."""
        if not self._url:
            return
        self._sent += 1
        lose = self._faults.webhook_lose_every
        if lose and self._sent % lose == 0:
            return
        body = json.dumps(
            {
                "id": new_object_id("evt"),
                "type": f"{one['object']}.{one['status']}",
                "created_ms": epoch_ms(SystemClock().now()),
                "data": public(one),
            }
        ).encode()
        delay_s = self._faults.webhook_delay_ms / 1000
        if self._faults.webhook_reverse and self._sent % 2:
            delay_s += 0.3
        for _ in range(self._faults.webhook_copies):
            task = asyncio.get_running_loop().create_task(self._send(body, delay_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, body: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for pause_s in RETRIES_S:
            header = signatures.sign(body, self._secret, epoch_ms(SystemClock().now()) // 1000)
            try:
                answer = await self._client.post(
                    self._url,
                    content=body,
                    headers={
                        "Content-Type": "application/json",
                        "Faro-Psp-Signature": header,
                    },
                )
                if answer.is_success:
                    return
                log.warning("webhook answered %s", answer.status_code)
            except httpx.HTTPError as error:
                log.warning("webhook not delivered: %s", type(error).__name__)
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


def public(one: dict[str, Any]) -> dict[str, Any]:
    """An object as the API and webhooks show it."""
    return {name: value for name, value in one.items() if name not in {"token", "return_url"}}

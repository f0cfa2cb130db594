"""Signed webhooks of the simulated provider: copies, delays, losses, retries."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any, Final

import httpx

from kernel.clock import SystemClock, epoch_ms
from payments.messages import signatures
from payments.simulated_psp.faults import Faults
from payments.simulated_psp.store import Store, new_object_id

log = logging.getLogger("simulated_psp")

#: Seconds between tries; a platform that is down for longer learns by asking.
RETRIES_S: Final = (0.5, 1, 2, 4, 8, 16, 32)
TIMEOUT_S: Final = 5.0
#: Messages on their way at once; a real provider is patient as well.
AT_ONCE_MAX: Final = 16
#: What of an object is nobody's business but ours.
PRIVATE: Final = frozenset(
    {"door", "challenge_door", "return_url", "customer", "language", "code", "saved", "account"}
)


@dataclass(frozen=True, slots=True)
class Event:
    """One message and how often it is sent; 0 for one that is lost."""

    id: str
    body: bytes
    copies: int
    wrong_signature: bool = False
    delay_ms: int = 0


class Hooks:
    """Sends each event to one address until it answers 2xx or the tries are used up."""

    def __init__(self, url: str, secret: str, store: Store, faults: Faults) -> None:
        self._url, self._secret, self._store, self._faults = url, secret, store, faults
        self._sent = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    def keep(self, one: dict[str, Any], what: str) -> Event:
        """News about an object as it is now, kept in the caller's transaction."""
        event_id = new_object_id("evt")
        body = json.dumps(
            {
                "id": event_id,
                "type": f"{one['object']}.{what}",
                "created_ms": epoch_ms(SystemClock().now()),
                "data": public(one),
            }
        ).encode()
        event = self._fated(event_id, body)
        self._store.tell(event_id, body, event.copies)
        return event

    def _fated(self, event_id: str, body: bytes) -> Event:
        """What the switches make of it."""
        faults = self._faults
        self._sent += 1
        lost = (
            not self._url
            or (faults.webhook_lose_every and self._sent % faults.webhook_lose_every == 0)
            or secrets.randbelow(100) < faults.webhook_lose_percent
        )
        repeated = secrets.randbelow(100) < faults.webhook_repeat_percent
        wrong = faults.webhook_wrong_signature_every
        delay_ms = faults.webhook_delay_ms + secrets.randbelow(faults.webhook_shuffle_ms + 1)
        if faults.webhook_reverse and self._sent % 2:
            delay_ms += 300
        return Event(
            event_id,
            body,
            copies=0 if lost else faults.webhook_copies + repeated,
            wrong_signature=bool(wrong) and self._sent % wrong == 0,
            delay_ms=delay_ms,
        )

    def send(self, event: Event) -> None:
        """Deliver what was kept, after its transaction."""
        for _ in range(event.copies):
            task = asyncio.get_running_loop().create_task(self._deliver(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def resume(self) -> None:
        """Deliver what a process before this one could not."""
        for event_id, body in self._store.untold():
            self.send(Event(event_id, body, copies=1))

    async def _deliver(self, event: Event) -> None:
        await asyncio.sleep(event.delay_ms / 1000)
        for pause_s in RETRIES_S:
            async with self._free:
                arrived = await self._post(event)
            if arrived:
                break
            await asyncio.sleep(pause_s)
        self._store.told(event.id)

    async def _post(self, event: Event) -> bool:
        at_s = epoch_ms(SystemClock().now()) // 1000
        if self._faults.webhook_stale_signature:
            at_s -= 2 * signatures.TOLERANCE_S
        secret = f"not {self._secret}" if event.wrong_signature else self._secret
        headers = {
            "Content-Type": "application/json",
            "Faro-Psp-Signature": signatures.sign(event.body, secret, at_s),
        }
        try:
            answer = await self._client.post(self._url, content=event.body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("webhook not delivered: %s", type(error).__name__)
            return False
        if not answer.is_success:
            log.warning("webhook answered %s", answer.status_code)
        return answer.is_success

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


def public(one: dict[str, Any]) -> dict[str, Any]:
    """An object as the API and webhooks show it."""
    return {name: value for name, value in one.items() if name not in PRIVATE}

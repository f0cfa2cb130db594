"""What every part of the simulated provider shares: memory, messages, switches, later work."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from kernel.clock import SystemClock, epoch_ms
from payments.simulated_psp import fees
from payments.simulated_psp.faults import Faults
from payments.simulated_psp.hooks import Hooks
from payments.simulated_psp.store import KeyReused, Store, new_object_id
from payments.simulated_psp.wire import Answer

_TOLD_TO_BEGIN: Final = frozenset({"payment", "payout"})


@dataclass(slots=True)
class Desk:
    """The parts that serve: one event loop, one store."""

    store: Store
    hooks: Hooks
    faults: Faults
    base_url: str
    home_country: str
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def found(self, object_id: str, kind: str) -> dict[str, Any]:
        """The object of this id and kind; answers 404 where there is none."""
        one = self.store.find(object_id)
        if one is None or one["object"] != kind:
            raise Answer(404, {"error": "not_found"})
        return one

    def known(self, key: str, request: bytes) -> dict[str, Any] | None:
        """What was made under ``key``; answers 422 where it was asked for something else."""
        try:
            return self.store.once(key, digest(request))
        except KeyReused:
            raise Answer(422, {"error": "idempotency_key_reused"}) from None

    def make(self, key: str, request: bytes, one: dict[str, Any], *also: dict[str, Any]) -> None:
        """Keep a new object under its key, and what changed with it."""
        is_told = self.faults.webhook_tells_begin and one["object"] in _TOLD_TO_BEGIN
        with self.store.together():
            self.store.save(one)
            self.store.remember(key, digest(request), one["id"])
            for other in also:
                self.store.save(other)
            event = self.hooks.keep(one, one["status"]) if is_told else None
        if event is not None:
            self.hooks.send(event)

    def change(
        self,
        one: dict[str, Any],
        *,
        lines: Iterable[dict[str, Any]] = (),
        also: Iterable[dict[str, Any]] = (),
        told: str = "",
        is_told: bool = True,
    ) -> None:
        """Keep a changed object with its movements of money, then tell the merchant."""
        with self.store.together():
            self.store.save(one)
            for other in also:
                self.store.save(other)
            for line in lines:
                self.store.book(line)
            event = self.hooks.keep(one, told or one["status"]) if is_told else None
        if event is not None:
            self.hooks.send(event)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside the requests."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hooks.close()
        self.store.close()


def movement(
    kind: str,
    about: dict[str, Any],
    gross_minor: int,
    *,
    payment_ref: str,
    dispute_ref: str = "",
) -> dict[str, Any]:
    """One movement of the merchant's balance, with the schedule's fee.

    Money towards the merchant is positive; ``kind`` is the row's type in the settlement file.
    """
    return {
        "row_id": new_object_id("row"),
        "type": kind,
        "payment_ref": payment_ref,
        "merchant_reference": about["merchant_reference"],
        "dispute_ref": dispute_ref,
        "currency": about["currency"],
        "gross_minor": gross_minor,
        "fee_minor": fees.fee_minor(kind, about["currency"], abs(gross_minor)),
        "created_ms": now_ms(),
    }


def now_ms() -> int:
    return epoch_ms(SystemClock().now())


def digest(request: bytes) -> str:
    """What a key is held against: a request again is one of the same bytes."""
    return hashlib.sha256(request).hexdigest()

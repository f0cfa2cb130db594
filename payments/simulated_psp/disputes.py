"""Disputes: a card's bank takes a payment back, and decides later who keeps the money."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from kernel.clock import SystemClock
from payments.simulated_psp.desk import Desk, movement
from payments.simulated_psp.hooks import public
from payments.simulated_psp.store import new_object_id
from payments.simulated_psp.wire import Answer, text

#: How long the merchant has to answer, in the order of the card schemes' time limits.
EVIDENCE_WITHIN: Final = timedelta(days=20)


class Disputes:
    """Opened for a payment that was captured; the money leaves the balance at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def open_later(self, payment_id: str) -> None:
        """The bank of a card whose holder disputes everything."""
        await asyncio.sleep(self._desk.faults.dispute_after_ms / 1000)
        one = self._desk.found(payment_id, "payment")
        minor = _open_minor(one)
        if minor > 0:
            self._open(one, minor, "fraudulent")

    def open(self, wanted: dict[str, Any]) -> Answer:
        """Open one by order: of ``payment``, for ``amount_minor`` or all that is left of it."""
        one = self._desk.found(text(wanted, "payment", 80), "payment")
        left = _open_minor(one)
        minor = wanted.get("amount_minor", left)
        if type(minor) is not int or not 0 < minor <= left:
            raise Answer(400, {"error": "not_disputable"})
        reason = text(wanted, "reason", 120) or "fraudulent"
        return Answer(200, public(self._open(one, minor, reason)))

    def _open(self, one: dict[str, Any], minor: int, reason: str) -> dict[str, Any]:
        dispute: dict[str, Any] = {
            "id": new_object_id("dsp"),
            "object": "dispute",
            "status": "opened",
            "reason": reason,
            "payment": one["id"],
            "merchant_reference": one["merchant_reference"],
            "amount_minor": minor,
            "currency": one["currency"],
            "evidence_due": (SystemClock().now() + EVIDENCE_WITHIN).isoformat(),
            "untold": self._desk.faults.dispute_untold,
        }
        line = movement("dispute", one, -minor, payment_ref=one["id"], dispute_ref=dispute["id"])
        dispute["fee_minor"] = line["fee_minor"]
        one["disputed_minor"] += minor
        self._desk.change(dispute, lines=[line], also=[one], is_told=not dispute["untold"])
        return dispute

    def close(self, dispute_id: str, outcome: str) -> Answer:
        """The bank's decision: ``won`` brings the money back (not the fee), ``lost`` keeps it."""
        dispute = self._desk.found(dispute_id, "dispute")
        if dispute["status"] not in {"opened", outcome}:
            raise Answer(400, {"error": "dispute_closed"})
        if dispute["status"] == "opened":
            self._decide(dispute, outcome)
        return Answer(200, public(dispute))

    def _decide(self, dispute: dict[str, Any], outcome: str) -> None:
        one = self._desk.found(dispute["payment"], "payment")
        lines = []
        dispute["status"] = outcome
        if outcome == "won":
            one["disputed_minor"] -= dispute["amount_minor"]
            lines.append(
                movement(
                    "dispute_won",
                    one,
                    dispute["amount_minor"],
                    payment_ref=one["id"],
                    dispute_ref=dispute["id"],
                )
            )
        self._desk.change(dispute, lines=lines, also=[one], is_told=not dispute["untold"])


def _open_minor(one: dict[str, Any]) -> int:
    """What of a payment a bank could take back: what was paid and is not gone already."""
    if one["status"] != "succeeded":
        return 0
    gone = ("refunded_minor", "refunding_minor", "disputed_minor")
    return int(one["amount_minor"] - sum(one[name] for name in gone))

"""Payouts to people: back into a payment's instrument, or onto an account that was told to us."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

from stdnum import iban

from payments.simulated_psp.desk import Desk, movement
from payments.simulated_psp.hooks import public
from payments.simulated_psp.payments import left_minor, paid_with
from payments.simulated_psp.store import new_object_id
from payments.simulated_psp.wire import Answer, amounts, text

OTHER_HOLDER: Final = "Somebody Else"
#: In this order, a step at a time.
_STEPS: Final = {"submitted": "in_transit", "in_transit": "paid"}


class Payouts:
    """One act per step of a payout."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def register(self, key: str, wanted: dict[str, Any], request: bytes) -> Answer:
        """An account to pay to, once per holder and IBAN; only its last digits are kept.

        Its bank is asked for the holder's name: it knows the one that was told, or as the switches
        say another or none.
        """
        known = self._desk.known(key, request)
        if known is None:
            faults = self._desk.faults
            found = OTHER_HOLDER if faults.account_of_another else None
            known = _account(wanted, "" if faults.account_unchecked else found)
            self._desk.make(key, request, known)
        return Answer(200, known["shown"] | {"object": "account", "id": known["id"]})

    def create(self, key: str, wanted: dict[str, Any], request: bytes) -> Answer:
        """A new payout, once per key: to ``target``, which is a payment's id or an account's token.

        Answers 400 ``more_than_left`` above what is left of the payment, ``unknown_target`` for a
        payment or account that is not known.
        """
        known = self._desk.known(key, request)
        if known is not None:
            return Answer(200, public(known))
        one = amounts(wanted) | {
            "id": new_object_id("out"),
            "object": "payout",
            "status": "submitted",
            "reason": "",
            "route": text(wanted, "route", 16) or "account",
            "target": text(wanted, "target", 80),
            "fee_minor": 0,
        }
        also = self._check_target(one)
        self._desk.make(key, request, one, *also)
        self.resume(one)
        return Answer(200, public(one))

    def _check_target(self, one: dict[str, Any]) -> list[dict[str, Any]]:
        """What else changes with a new payout: a payment has less left."""
        target = self._desk.store.find(one["target"])
        kind = {"refund": "payment", "account": "account"}.get(one["route"])
        if target is None or target["object"] != kind:
            raise Answer(400, {"error": "unknown_target"})
        if kind == "account":
            return []
        if one["currency"] != target["currency"] or one["amount_minor"] > left_minor(target):
            raise Answer(400, {"error": "more_than_left"})
        target["paid_back_minor"] += one["amount_minor"]
        return [target]

    def resume(self, one: dict[str, Any]) -> None:
        """Let a payout go on, also one from before a restart."""
        self._desk.later(self._go_on(one["id"]))

    async def _go_on(self, payout_id: str) -> None:
        """Submitted → in transit → paid, or as the switches say."""
        faults = self._desk.faults
        one = self._desk.found(payout_id, "payout")
        while one["status"] in _STEPS:
            await asyncio.sleep(faults.payout_step_ms / 1000)
            one = self._desk.found(payout_id, "payout")
            after = _STEPS.get(one["status"], "")
            if after == "paid" and (faults.payout_fails or self._is_refused(one)):
                self._end(one, "failed")
            elif after == "paid":
                line = movement(
                    "payout_to_player", one, -one["amount_minor"], payment_ref=one["id"]
                )
                one |= {"status": "paid", "fee_minor": line["fee_minor"]}
                self._desk.change(one, lines=[line])
            else:
                one["status"] = after
                self._desk.change(one)
        if one["status"] == "paid" and faults.payout_returns:
            await asyncio.sleep(faults.payout_step_ms / 1000)
            if self._desk.found(payout_id, "payout")["status"] == "paid":  # not by order meanwhile
                self._return(payout_id)

    def send_back(self, payout_id: str) -> Answer:
        """By order: the person's bank returns a payout that was paid."""
        if self._desk.found(payout_id, "payout")["status"] != "paid":
            raise Answer(400, {"error": "not_paid"})
        return Answer(200, public(self._return(payout_id)))

    def _return(self, payout_id: str) -> dict[str, Any]:
        one = self._desk.found(payout_id, "payout")
        line = movement("payout_returned", one, one["amount_minor"], payment_ref=one["id"])
        self._end(one, "returned", line)
        return one

    def _end(self, one: dict[str, Any], status: str, *lines: dict[str, Any]) -> None:
        """It did not arrive: what was taken of a payment is there again."""
        one |= {"status": status, "reason": "account_closed"}
        also = []
        if one["route"] == "refund":
            payment = self._desk.found(one["target"], "payment")
            payment["paid_back_minor"] -= one["amount_minor"]
            also.append(payment)
        self._desk.change(one, lines=lines, also=also)

    def _is_refused(self, one: dict[str, Any]) -> bool:
        if one["route"] != "refund":
            return False
        payment = self._desk.found(one["target"], "payment")
        return paid_with(payment).takes_nothing_back


def _account(wanted: dict[str, Any], at_bank: str | None) -> dict[str, Any]:
    """``at_bank``: whose its bank says it is; None: the one we told it; empty: it says nothing."""
    holder, number = text(wanted, "holder", 120), text(wanted, "iban", 34)
    if not holder:
        raise Answer(400, {"error": "bad_holder"})
    if not iban.is_valid(number):
        raise Answer(400, {"error": "bad_iban"})
    compact = iban.compact(number)
    fingerprint = hashlib.sha256(f"account\n{compact}".encode()).hexdigest()[:24]
    token = hashlib.sha256(f"{holder}\n{compact}".encode()).hexdigest()[:24]
    return {
        "id": f"acc_{token}",
        "object": "account",
        "status": "known",
        "shown": {
            "token": f"acc_{token}",
            "kind": "bank_account",
            "brand": "",
            "last4": compact[-4:],
            "country": compact[:2],
            "holder": holder if at_bank is None else at_bank,
            "holder_checked": at_bank != "",
            "fingerprint": f"fp_{fingerprint}",
        },
    }

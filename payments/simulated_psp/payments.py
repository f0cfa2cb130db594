"""Payments to the merchant: asked for, paid on the hosted page, refunded in parts."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from payments.simulated_psp import pages
from payments.simulated_psp.cards import BY_CODE, DEFAULT, PlayInstrument
from payments.simulated_psp.desk import Desk, movement, now_ms
from payments.simulated_psp.disputes import Disputes
from payments.simulated_psp.hooks import public
from payments.simulated_psp.store import new_object_id
from payments.simulated_psp.wire import Answer, amount, amounts, text

#: A hosted page that nobody decided on ends after half an hour, as card sessions do.
EXPIRES_AFTER_MS: Final = 1_800_000


class Payments:
    """One act per step of a payment."""

    def __init__(self, desk: Desk, disputes: Disputes) -> None:
        self._desk, self._disputes = desk, disputes

    def resume(self, one: dict[str, Any]) -> None:
        """Let a payment from before a restart go on."""
        if one["status"] == "processing":
            self._desk.later(self._confirm(one["id"], self._desk.faults.confirm_delay_ms))
        else:
            self._desk.later(self._expire(one["id"], one["created_ms"]))

    def shown(self, one: dict[str, Any]) -> dict[str, Any]:
        """A payment as the API answers it: with the address of its page while that is open."""
        answer = public(one)
        if one["status"] == "requires_action":
            answer["redirect_url"] = f"{self._desk.base_url}/pay/{one['door']}"
        return answer

    # -- asked for by the merchant -----------------------------------------------------------------

    def create(self, key: str, wanted: dict[str, Any], request: bytes) -> Answer:
        """A new payment, once per key: its page waits for the person."""
        known = self._desk.known(key, request)
        if known is not None:
            return Answer(200, self.shown(known))
        back = text(wanted, "return_url", 500)
        if back and urlsplit(back).scheme not in {"http", "https"}:
            raise Answer(400, {"error": "bad_return_url"})
        customer = text(wanted, "customer", 80)
        one = amounts(wanted) | {
            "id": new_object_id("pay"),
            "object": "payment",
            "status": "requires_action",
            "reason": "",
            "door": secrets.token_urlsafe(24),
            "challenge_door": "",
            "return_url": back,
            "customer": customer,
            "language": text(wanted, "language", 8),
            "saved": self._saved(text(wanted, "saved_instrument", 80), customer),
            "challenge": bool(wanted.get("challenge")),
            "code": "",
            "instrument": None,
            "fee_minor": 0,
            "refunded_minor": 0,
            "refunding_minor": 0,
            "paid_back_minor": 0,
            "disputed_minor": 0,
            "created_ms": now_ms(),
        }
        self._desk.make(key, request, one)
        self._desk.later(self._expire(one["id"], one["created_ms"]))
        return Answer(200, self.shown(one))

    def _saved(self, token: str, customer: str) -> str:
        """The code of the instrument that this customer used before; 400 for anybody else's."""
        if not token:
            return ""
        known = self._desk.store.find(token)
        if known is None or known["object"] != "instrument" or known["customer"] != customer:
            raise Answer(400, {"error": "unknown_instrument"})
        return str(known["code"])

    def refund(self, payment_id: str, key: str, wanted: dict[str, Any], request: bytes) -> Answer:
        """Part of a payment goes back, once per key; answers the payment with its refund."""
        one = self._desk.found(payment_id, "payment")
        known = self._desk.known(key, request)
        if known is None:
            known = self._new_refund(one, key, wanted, request)
            one = self._desk.found(payment_id, "payment")
        return Answer(200, self.shown(one) | {"refund": public(known)})

    def _new_refund(
        self, one: dict[str, Any], key: str, wanted: dict[str, Any], request: bytes
    ) -> dict[str, Any]:
        asked = amount(wanted)
        if asked["currency"] != one["currency"] or asked["amount_minor"] > left_minor(one):
            raise Answer(400, {"error": "not_refundable"})
        refund = asked | {
            "id": new_object_id("re"),
            "object": "refund",
            "status": "pending",
            "reason": "",
            "payment": one["id"],
            "merchant_reference": one["merchant_reference"],
        }
        one["refunding_minor"] += asked["amount_minor"]
        self._desk.make(key, request, refund, one)
        if self._desk.faults.refund_delay_ms:
            self.resume_refund(refund)
            return refund
        return self._end_refund(refund["id"])

    def resume_refund(self, refund: dict[str, Any]) -> None:
        self._desk.later(self._refund_later(refund["id"]))

    async def _refund_later(self, refund_id: str) -> None:
        await asyncio.sleep(self._desk.faults.refund_delay_ms / 1000)
        self._end_refund(refund_id)

    def _end_refund(self, refund_id: str) -> dict[str, Any]:
        refund = self._desk.found(refund_id, "refund")
        one = self._desk.found(refund["payment"], "payment")
        minor = refund["amount_minor"]
        one["refunding_minor"] -= minor
        if self._desk.faults.refund_fails or paid_with(one).takes_nothing_back:
            refund |= {"status": "failed", "reason": "card_closed"}
            self._desk.change(one, also=[refund], told="refund_failed")
            return refund
        refund["status"] = "succeeded"
        one["refunded_minor"] += minor
        if one["refunded_minor"] == one["amount_minor"]:
            one["status"] = "refunded"
        line = movement("refund", one, -minor, payment_ref=one["id"])
        self._desk.change(one, also=[refund], lines=[line], told="refunded")
        return refund

    # -- the person's pages ------------------------------------------------------------------------

    def page(self, method: str, door: str, body: bytes, browsers: str) -> Answer:
        """The hosted payment page: with what somebody pays. ``browsers``: its own language."""
        one = self._desk.store.by_door(door)
        if one is None:
            return Answer(404, page=pages.gone(browsers))
        language = _language(one, browsers)
        if one["status"] != "requires_action":
            return Answer(200, page=pages.done(one, language))
        form = {name: found[0] for name, found in parse_qs(body.decode("latin-1")).items()}
        action = form.get("action", "pay") if method == "POST" else ""
        if action == "cancel":
            self._end(one, "canceled", "canceled_by_customer")
            return _back(one, language)
        if action == "decline":
            self._end(one, "failed", "declined")
            return _back(one, language)
        chosen = BY_CODE.get(form.get("instrument") or one["saved"] or DEFAULT.code)
        if action != "pay" or chosen is None:
            status = 200 if method == "GET" else 400
            page = pages.choice(one, self._desk.home_country, language)
            return Answer(status, page=page, form_to=one["return_url"])
        return self._pay_with(one, chosen, language)

    def challenge_page(self, method: str, door: str, body: bytes, browsers: str) -> Answer:
        """The page of the card's bank: whether it is really its holder."""
        one = self._desk.store.by_door(door.partition(".")[0])
        if one is None or not secrets.compare_digest(one["challenge_door"], door):
            return Answer(404, page=pages.gone(browsers))
        language = _language(one, browsers)
        if one["status"] != "requires_action":
            return Answer(200, page=pages.done(one, language))
        action = parse_qs(body.decode("latin-1")).get("action", [""])[0]
        if method != "POST" or action not in {"approve", "fail", "cancel"}:
            status = 200 if method == "GET" else 400
            return Answer(status, page=pages.challenge(one, language), form_to=one["return_url"])
        if action == "approve":
            self._decide(one, BY_CODE[one["code"]])
        elif action == "fail":
            self._end(one, "failed", "authentication_failed")
        else:
            self._end(one, "canceled", "canceled_by_customer")
        return _back(one, language)

    def _pay_with(self, one: dict[str, Any], chosen: PlayInstrument, language: str) -> Answer:
        shown = chosen.shown(one["customer"], self._desk.home_country)
        one |= {"code": chosen.code, "instrument": shown}
        used = {
            "id": shown["token"],
            "object": "instrument",
            "status": "known",
            "customer": one["customer"],
            "code": chosen.code,
        }
        if chosen.challenges or one["challenge"] or self._desk.faults.challenge_always:
            one["challenge_door"] = f"{one['door']}.{secrets.token_urlsafe(12)}"
            with self._desk.store.together():
                self._desk.store.save(one)
                self._desk.store.save(used)
            return Answer(303, location=f"/challenge/{one['challenge_door']}")
        self._desk.store.save(used)
        self._decide(one, chosen)
        return _back(one, language)

    # -- what becomes of it ------------------------------------------------------------------------

    def _decide(self, one: dict[str, Any], chosen: PlayInstrument) -> None:
        delay_ms = self._desk.faults.confirm_delay_ms or chosen.confirms_after_ms
        if chosen.declined or self._desk.faults.decline_always:
            self._end(one, "failed", chosen.declined or "declined")
        elif delay_ms:
            self._end(one, "processing", "")
            self._desk.later(self._confirm(one["id"], delay_ms))
        else:
            self._succeed(one)

    def _succeed(self, one: dict[str, Any]) -> None:
        line = movement("payment", one, one["amount_minor"], payment_ref=one["id"])
        one |= {"status": "succeeded", "reason": "", "fee_minor": line["fee_minor"]}
        self._desk.change(one, lines=[line])
        if paid_with(one).is_disputed:
            self._desk.later(self._disputes.open_later(one["id"]))

    def arrive(self, payment_id: str) -> Answer:
        """By order: money comes of a payment that was said to come to nothing."""
        one = self._desk.found(payment_id, "payment")
        if one["status"] not in {"failed", "canceled", "expired"}:
            raise Answer(400, {"error": "not_ended"})
        self._succeed(one)
        return Answer(200, public(one))

    def _end(self, one: dict[str, Any], status: str, reason: str) -> None:
        one |= {"status": status, "reason": reason}
        self._desk.change(one)

    async def _confirm(self, payment_id: str, delay_ms: int) -> None:
        await asyncio.sleep(delay_ms / 1000)
        one = self._desk.found(payment_id, "payment")
        if one["status"] == "processing":
            self._succeed(one)

    async def _expire(self, payment_id: str, created_ms: int) -> None:
        await asyncio.sleep(max(0, created_ms + EXPIRES_AFTER_MS - now_ms()) / 1000)
        one = self._desk.store.find(payment_id)
        if one is not None and one["status"] == "requires_action":
            self._end(one, "expired", "")


def left_minor(one: dict[str, Any]) -> int:
    """What of a payment can still go back: nothing unless it was paid."""
    if one["status"] != "succeeded":
        return 0
    gone = ("refunded_minor", "refunding_minor", "paid_back_minor", "disputed_minor")
    return int(one["amount_minor"] - sum(one[name] for name in gone))


def paid_with(one: dict[str, Any]) -> PlayInstrument:
    """What a payment was made with."""
    return BY_CODE[one["code"] or DEFAULT.code]


def _language(one: dict[str, Any], browsers: str) -> str:
    """The merchant's word goes before the browser's."""
    return str(one.get("language") or browsers)


def _back(one: dict[str, Any], language: str) -> Answer:
    """To where the merchant wants its customer, or our own last page."""
    if one["return_url"]:
        return Answer(303, location=one["return_url"])
    return Answer(200, page=pages.done(one, language))

"""The account: its objects by kind and id, its balance, and what people and banks do to them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.stripe.events import Events
from tests.fakes.stripe.refusals import declined, invalid, missing

#: Stripe's test cards by name: brand, last digits, country, and what their bank does.
CARDS = {
    "visa": ("visa", "4242", "US", "pays"),
    "mastercard": ("mastercard", "4444", "US", "pays"),
    "malta": ("visa", "0000", "MT", "pays"),
    "proof": ("visa", "3184", "DE", "asks"),
    "poor": ("visa", "9995", "US", "insufficient_funds"),
    "stolen": ("visa", "9979", "US", "stolen_card"),
}
#: docs.stripe.com/currencies, smallest charge; enough of them for tests.
SMALLEST = {"eur": 50, "usd": 50, "gbp": 30, "jpy": 50, "sek": 300, "kwd": 200, "isk": 100}
DISPUTE_FEE = 2_000


def _price(amount: int) -> int:
    """1.5 % and 25 of the smallest unit, half up."""
    return (amount * 15 + 500) // 1_000 + 25


@dataclass
class Books:
    """Not thread-safe: whoever calls it holds the server's lock."""

    events: Events = field(init=False)
    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    #: Balance transactions of us and of connected accounts ("" is us).
    entries: list[dict[str, Any]] = field(default_factory=list)
    clock_s: Any = field(default=lambda: int(time.time()))
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.events = Events(self.clock_s)

    # Objects

    def make(self, kind: str, prefix: str, **fields: Any) -> dict[str, Any]:
        made = {
            "id": f"{prefix}_{next(self._ids):024d}",
            "object": kind,
            "created": self.clock_s(),
            "livemode": False,
            **fields,
        }
        self.objects.setdefault(kind, {})[made["id"]] = made
        return made

    def find(self, kind: str, name: str, account: str = "") -> dict[str, Any]:
        found = self.objects.get(kind, {}).get(name)
        if found is None or found.get("_account", "") != account:
            raise missing(kind, name)
        return found

    def all(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """Newest first, as every list of Stripe is."""
        found = reversed(self.objects.get(kind, {}).values())
        return [one for one in found if all(one.get(k) == v for k, v in wanted.items())]

    def entry(
        self, category: str, source: dict[str, Any], amount: int, fee: int = 0, account: str = "",
        kind: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        made = self.make(
            "balance_transaction", "txn", amount=amount, fee=fee, net=amount - fee,
            currency=source["currency"], reporting_category=category, type=kind or category,
            source=source["id"], status="pending", available_on=self.clock_s() + 2 * 86_400,
            fee_details=[], exchange_rate=None, _account=account, _payout=None,
        )  # fmt: skip
        self.entries.append(made)
        return made

    def balance(self, currency: str, account: str = "") -> int:
        return sum(
            one["net"]
            for one in self.entries
            if one["currency"] == currency and one["_account"] == account
        )

    # What people do

    def card_method(self, card: str, customer: str | None, holder: str) -> dict[str, Any]:
        brand, last4, country, does = CARDS[card]
        return self.make(
            "payment_method", "pm", type="card", customer=customer, metadata={},
            billing_details={"name": holder, "email": None, "phone": None, "address": {}},
            card={
                "brand": brand, "last4": last4, "country": country, "exp_month": 12,
                "exp_year": 2034, "fingerprint": f"fp{card}", "funding": "credit",
            },
            _does=does,
        )  # fmt: skip

    def person_pays(self, session_id: str, card: str = "visa", holder: str = "Ada Byron") -> str:
        """Somebody enters a card on the hosted page. What the page then shows: a word."""
        session = self.find("checkout.session", session_id)
        if session["status"] != "open" or session["expires_at"] <= self.clock_s():
            raise invalid("This page has expired.")
        intent = self._intent_of_page(session)
        customer = session["customer"]
        if session["customer_creation"] == "always" and customer is None:
            made = self.make("customer", "cus", name=holder, email="ada@example.com", metadata={})
            self.events.add("customer.created", made)
            customer = session["customer"] = intent["customer"] = made["id"]
        keeps = intent["setup_future_usage"] is not None
        method = self.card_method(card, customer if keeps else None, holder)
        asks = session["_proof"] in {"any", "challenge"} or method["_does"] == "asks"
        intent["payment_method"] = method["id"]
        if asks:
            self._asks(intent)
            return "proof"
        return self._charge_page(session, intent)

    def person_proves(self, ref: str, *, passes: bool = True) -> str:
        """Somebody answers their bank's question (3-D Secure), at a page or for a payment."""
        is_page = ref.startswith("cs_")
        session = self.find("checkout.session", ref) if is_page else None
        intent = self.find("payment_intent", session["payment_intent"] if session else ref)
        if intent["status"] != "requires_action":
            raise invalid("Nothing is asked.", code="payment_intent_unexpected_state")
        if not passes:
            self._fails(intent, "payment_intent_authentication_failure", "")
            return "failed"
        if session is not None:
            return self._charge_page(session, intent)
        try:
            self.charge(intent)
        except Exception as refused:  # noqa: BLE001  (its bank's refusal is shown, not raised)
            return str(refused)
        return "paid"

    def page_expires(self, session_id: str) -> None:
        session = self.find("checkout.session", session_id)
        assert session["status"] == "open"
        session.update(status="expired", url=None)
        if session["payment_intent"]:
            self.cancel(self.find("payment_intent", session["payment_intent"]), "abandoned")
        self.events.add("checkout.session.expired", session)

    def _intent_of_page(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["payment_intent"]:
            return self.find("payment_intent", session["payment_intent"])
        intent = self.intent(
            session["amount_total"], session["currency"], session["_intent_data"], session
        )
        session["payment_intent"] = intent["id"]
        return intent

    def intent(
        self, amount: int, currency: str, data: dict[str, Any], given: dict[str, Any]
    ) -> dict[str, Any]:
        made = self.make(
            "payment_intent", "pi", amount=amount, amount_received=0, amount_capturable=0,
            currency=currency, status="requires_payment_method", next_action=None,
            latest_charge=None, last_payment_error=None, cancellation_reason=None,
            customer=given.get("customer"), payment_method=None, capture_method="automatic",
            metadata=dict(data.get("metadata", {})),
            setup_future_usage=data.get("setup_future_usage"),
            transfer_group=data.get("transfer_group"),
        )  # fmt: skip
        made["client_secret"] = made["id"] + "_secret_x"
        self.events.add("payment_intent.created", made)
        return made

    def _asks(self, intent: dict[str, Any], return_url: str = "https://page") -> None:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {
                "url": f"https://hooks.stripe.com/3d_secure_2/{intent['id']}",
                "return_url": return_url,
            },
        }
        self.events.add("payment_intent.requires_action", intent)

    def confirm(self, intent: dict[str, Any], method: dict[str, Any], proof: str, url: str) -> None:
        """Take the payment with a saved card, asking its holder where the bank or we want it."""
        intent["payment_method"] = method["id"]
        if method["_does"] == "asks" or proof in {"any", "challenge"}:
            if not url:
                raise invalid("return_url is needed", param="return_url")
            self._asks(intent, url)
        else:
            self.charge(intent)

    def _charge_page(self, session: dict[str, Any], intent: dict[str, Any]) -> str:
        try:
            self.charge(intent)
        except Exception as refused:  # noqa: BLE001  (the page shows it and stays open)
            return str(refused)
        session.update(status="complete", payment_status="paid", url=None)
        self.events.add("checkout.session.completed", session)
        return "paid"

    def _fails(self, intent: dict[str, Any], code: str, decline: str) -> None:
        intent.update(status="requires_payment_method", next_action=None, payment_method=None)
        intent["last_payment_error"] = {
            "type": "card_error" if decline else "invalid_request_error",
            "code": code,
            **({"decline_code": decline} if decline else {}),
        }
        self.events.add("payment_intent.payment_failed", intent)

    def charge(self, intent: dict[str, Any]) -> None:
        """The bank is asked; a refusal leaves the payment waiting for another means."""
        method = self.find("payment_method", intent["payment_method"])
        charge = self.make(
            "charge", "ch", amount=intent["amount"], amount_captured=0, amount_refunded=0,
            currency=intent["currency"], payment_intent=intent["id"], refunded=False,
            disputed=False, captured=False, paid=False, status="pending",
            customer=intent["customer"], metadata=dict(intent["metadata"]),
            payment_method=method["id"], billing_details=dict(method["billing_details"]),
            balance_transaction=None, failure_code=None, dispute=None,
            payment_method_details={"type": "card", "card": dict(method["card"])},
        )  # fmt: skip
        intent["latest_charge"] = charge["id"]
        if method["_does"] not in {"pays", "asks"}:
            charge.update(status="failed", failure_code="card_declined")
            self.events.add("charge.failed", charge)
            self._fails(intent, "card_declined", method["_does"])
            raise declined(method["_does"], intent)
        charge.update(
            status="succeeded", paid=True, captured=True, amount_captured=charge["amount"]
        )
        entry = self.entry("charge", charge, charge["amount"], _price(charge["amount"]))
        charge["balance_transaction"] = entry["id"]
        intent.update(status="succeeded", next_action=None, amount_received=intent["amount"])
        intent["last_payment_error"] = None
        self.events.add("payment_intent.succeeded", intent)
        self.events.add("charge.succeeded", charge)

    def cancel(self, intent: dict[str, Any], reason: str | None) -> None:
        if intent["status"] in {"succeeded", "canceled"}:
            raise invalid(
                f"You cannot cancel this PaymentIntent because it is {intent['status']}.",
                code="payment_intent_unexpected_state",
            )
        intent.update(status="canceled", cancellation_reason=reason, next_action=None)
        self.events.add("payment_intent.canceled", intent)

"""Stripe: hosted Checkout pages, refunds, disputes, payouts onto connected accounts, its events.

People pay on Stripe's own page: no card data passes through us. Events are only believed to name
an object; what became of it is asked with our own version of the API, so an event of another
version, an old or a reordered one does no harm. Which of an operator's account must be switched on
for what is in docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import stripe

from kernel.clock import SystemClock, epoch_ms
from kernel.money import Money
from payments.providers import stripe_accounts as accounts
from payments.providers import stripe_events as events
from payments.providers import stripe_reading as reading
from payments.providers.protocol import (
    BadWebhook,
    DepositReport,
    DisputeReport,
    Instrument,
    NewAccount,
    NewDeposit,
    NewPayout,
    News,
    NotOurs,
    NotThere,
    PayoutReport,
    PayoutRoute,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.providers.stripe_client import LIST_MAX, Api
from payments.providers.stripe_events import PAGE, SAVED
from payments.states import DEPOSIT_WAITS, DepositState

NAME: Final = "stripe"
SIGNATURE_HEADER: Final = "Stripe-Signature"
TOLERANCE_S: Final = 300
#: A page that nobody paid on, and a payment whose holder never came back from 3-D Secure, end when
#: the player was told that they would. Not by a time in our request: that would be another one each
#: time, and Stripe refuses another request under the same key.
LIVES: Final = DEPOSIT_WAITS[DepositState.REQUIRES_ACTION]
_CHARGE: Final = ("latest_charge.balance_transaction", "latest_charge.refunds")


class StripeProvider:
    """Stripe's API under one key. Constructed per use: it holds no state."""

    name = NAME

    def __init__(self, api_key: str, secrets: Sequence[str], base_url: str = "") -> None:
        self._api_key, self._secrets, self._base_url = api_key, tuple(secrets), base_url

    def _api(self) -> Api:
        return Api(self._api_key, self._base_url)

    # Deposits

    def create_deposit(self, wanted: NewDeposit) -> DepositReport:
        with self._api() as api:
            if wanted.instrument:
                return _pay_with(api, wanted)
            return reading.deposit_of_session(
                api.ask(
                    api.client.v1.checkout.sessions.create,
                    params=_page(wanted),
                    options={"idempotency_key": wanted.key},
                )
            )

    def find_deposit(self, provider_ref: str) -> DepositReport:
        """By the page's id, or by the payment's: a page's payment is reported under the page."""
        with self._api() as api:
            return _find_deposit(api, provider_ref)

    def refund(self, key: str, provider_ref: str, amount: Money) -> DepositReport:
        with self._api() as api:
            intent = _intent_of(api, provider_ref)
            made = _refund(api, intent, key, amount, payment_id=intent["metadata"]["payment_id"])
            failed = made.get("status") in {"failed", "canceled"}
            return replace(_find_deposit(api, provider_ref), refund_failed=failed)

    # Payouts

    def create_payout(self, wanted: NewPayout) -> PayoutReport:
        with self._api() as api:
            if wanted.route is PayoutRoute.REFUND:
                intent = _intent_of(api, wanted.target)
                return reading.payout_of_refund(
                    _refund(
                        api, intent, wanted.key, wanted.amount,
                        payment_id=str(wanted.payment_id), purpose=events.PAYOUT,
                    )
                )  # fmt: skip
            return accounts.pay(api, wanted)

    def find_payout(self, provider_ref: str) -> PayoutReport:
        """A payout that failed has its money brought back from the connected account first."""
        account, is_account, payout_id = provider_ref.partition("/")
        with self._api() as api:
            if not is_account:
                return reading.payout_of_refund(
                    api.ask(api.client.v1.refunds.retrieve, provider_ref)
                )
            found = api.ask(
                api.client.v1.payouts.retrieve, payout_id, options={"stripe_account": account}
            )
            return accounts.report_of(api, account, found)

    # Disputes

    def find_dispute(self, provider_ref: str) -> DisputeReport:
        """How a dispute stands; ``NotOurs`` while it is an inquiry that took nothing, and
        for one of a payment that carries no mark of ours: others may use the same account.
        """
        with self._api() as api:
            found = api.ask(
                api.client.v1.disputes.retrieve,
                provider_ref,
                params={"expand": ["payment_intent"]},
            )
            if found.get("status") in reading.NOTHING_TAKEN:
                raise NotOurs("nothing_was_taken")
            intent = found.get("payment_intent") or {}
            ours = intent.get("metadata") or {}
            if events.payment_of(ours) is None:
                raise NotOurs("not_ours")
            deposit_ref = str(intent.get("id"))
            if ours.get("via") == PAGE:
                deposit_ref = _page_of(api, deposit_ref)["id"]
            return reading.dispute_of(found, deposit_ref)

    def register_account(self, wanted: NewAccount) -> Instrument:
        """A connected account with this bank account: what Stripe pays a person out through.

        Stripe pays it only once it knows the person (`account_not_ready` before). It compares no
        name with the bank's, so it tells no holder: whose account it is, an officer looks at.
        """
        with self._api() as api:
            account = api.ask(
                api.client.v1.accounts.create,
                params=accounts.opened_with(wanted),
                options={"idempotency_key": wanted.key},
            )
        return reading.instrument_of_account(account)

    # Events

    def authenticate(self, body: bytes, headers: Mapping[str, str], now_s: int) -> None:
        """By the SDK's own check, under any of the endpoint's secrets (two while one is changed).

        The SDK looks at its own clock; ``now_s`` refuses what claims to be from the future.
        """
        header = headers.get(SIGNATURE_HEADER, "")
        if events.said_at(header) > now_s + TOLERANCE_S:
            raise BadWebhook("from_the_future")
        why = "no_secret"
        for secret in self._secrets:
            try:
                stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_S)
            except stripe.SignatureVerificationError:
                why = "wrong_signature"
            except ValueError:
                raise BadWebhook("not_text") from None
            else:
                return
        raise BadWebhook(why)

    def read(self, payload: Mapping[str, object]) -> tuple[str, News]:
        return events.read(payload)

    def events_after(self, position: str) -> tuple[list[dict[str, object]], str]:
        """Events after the one called ``position``; from the newest on where that is forgotten.

        Stripe keeps events for 30 days, and tells those of connected accounts by webhook alone.
        """
        with self._api() as api:
            return _events_after(api, position)

    def keeps(self, payload: Mapping[str, object]) -> dict[str, object]:
        return events.keeps(payload)


def _page(wanted: NewDeposit) -> dict[str, Any]:
    """A hosted page that takes one card payment, and lets the card be used again by its holder."""
    ours = {"payment_id": str(wanted.payment_id), "via": PAGE, "payer": wanted.customer}
    back = wanted.return_url or "https://example.invalid/"
    return {
        "mode": "payment",
        "client_reference_id": str(wanted.payment_id),
        "metadata": ours,
        "success_url": back,
        "cancel_url": back,
        "allowed_payment_method_types": ["card"],
        "adaptive_pricing": {"enabled": False},  # the amount asked for, in its currency
        "customer_creation": "always",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": wanted.amount.currency.lower(),
                    "unit_amount": reading.minor_of(wanted.amount),
                    "product_data": {"name": "Deposit"},
                },
            }
        ],
        "payment_intent_data": {"metadata": ours, "setup_future_usage": "on_session"},
        "payment_method_options": {"card": {"request_three_d_secure": _proof(wanted)}},
        "submit_type": "pay",
    }


def _proof(wanted: NewDeposit) -> str:
    return "challenge" if wanted.challenge else "automatic"


def _pay_with(api: Api, wanted: NewDeposit) -> DepositReport:
    """Pay with an instrument that was used before, its holder being here.

    Whether it was done already is looked up first: Stripe forgets keys after a day, and the payer
    may have been taken off their card since.
    """
    method = api.ask(api.client.v1.payment_methods.retrieve, wanted.instrument)
    customer = method.get("customer")
    is_theirs = isinstance(customer, str)
    made = api.made_under(
        wanted.key,
        api.client.v1.payment_intents.list,
        since=wanted.asked_at,
        params={"customer": customer} if is_theirs else {},
    )
    if made is not None:
        return _find_deposit(api, made["id"])
    if not is_theirs:
        raise ProviderRejected("instrument_not_reusable")
    try:
        intent = api.ask(
            api.client.v1.payment_intents.create,
            params={
                "amount": reading.minor_of(wanted.amount),
                "currency": wanted.amount.currency.lower(),
                "customer": customer,
                "payment_method": wanted.instrument,
                "allowed_payment_method_types": ["card"],
                "confirm": True,
                "off_session": False,
                "return_url": wanted.return_url,
                "payment_method_options": {"card": {"request_three_d_secure": _proof(wanted)}},
                "metadata": {
                    "payment_id": str(wanted.payment_id), "via": SAVED, "key": wanted.key,
                    "payer": wanted.customer,
                },
                "expand": list(_CHARGE),
            },
            options={"idempotency_key": wanted.key},
        )  # fmt: skip
    except ProviderRejected as refused:
        declined = _declined(refused.__cause__)
        if declined is None:
            raise
        intent = declined
    return reading.deposit_of_intent(intent)


def _declined(error: BaseException | None) -> dict[str, Any] | None:
    """The payment that a declined card leaves behind, as its error says; None of any other."""
    body = error.json_body if isinstance(error, stripe.CardError) else None
    said = body.get("error") if isinstance(body, dict) else None
    intent = said.get("payment_intent") if isinstance(said, dict) else None
    return intent if isinstance(intent, dict) else None


def _find_deposit(api: Api, provider_ref: str) -> DepositReport:
    """How a deposit stands, ended now where it waited for its payer for too long.

    ``NotOurs`` for a payment without a mark of ours: others may use the same account.
    """
    if not provider_ref.startswith("pi_"):
        return _find_page(api, provider_ref)
    intents, more = api.client.v1.payment_intents, {"expand": list(_CHARGE)}
    intent = api.ask(intents.retrieve, provider_ref, params=more)
    ours = intent.get("metadata") or {}
    if events.payment_of(ours) is None:
        raise NotOurs("not_ours")
    if ours.get("via") == PAGE:
        return _find_page(api, _page_of(api, provider_ref)["id"])
    if intent.get("status") == "requires_action" and _is_stale(intent):
        intent = api.ask(
            intents.cancel,
            provider_ref,
            params=more,
            options={"idempotency_key": f"{provider_ref}:cancel"},
        )
    return reading.deposit_of_intent(_with_all_refunds(api, intent))


def _find_page(api: Api, page_id: str) -> DepositReport:
    pages = api.client.v1.checkout.sessions
    more = {"expand": [f"payment_intent.{name}" for name in _CHARGE]}
    page = api.ask(pages.retrieve, page_id, params=more)
    if page.get("status") == "open" and _is_stale(page):
        page = api.ask(
            pages.expire, page_id, params=more, options={"idempotency_key": f"{page_id}:expire"}
        )
    if isinstance(page.get("payment_intent"), dict):
        _with_all_refunds(api, page["payment_intent"])
    return reading.deposit_of_session(page)


def _with_all_refunds(api: Api, intent: dict[str, Any]) -> dict[str, Any]:
    """``intent`` with more refunds than the ten that come along with a charge."""
    charge = intent.get("latest_charge")
    if isinstance(charge, dict) and (charge.get("refunds") or {}).get("has_more"):
        charge["refunds"] = api.ask(
            api.client.v1.refunds.list, params={"payment_intent": intent["id"], "limit": LIST_MAX}
        )
    return intent


def _is_stale(found: Mapping[str, Any]) -> bool:
    now_s = epoch_ms(SystemClock().now()) // 1000
    return int(found["created"]) < now_s - int(LIVES.total_seconds())


def _page_of(api: Api, intent_id: str) -> dict[str, Any]:
    """The hosted page on which a payment was made."""
    found = api.ask(
        api.client.v1.checkout.sessions.list, params={"payment_intent": intent_id, "limit": 1}
    )
    pages: list[dict[str, Any]] = found["data"]
    if not pages:
        raise ProviderUnreachable("a page's payment without its page")
    return pages[0]


def _intent_of(api: Api, provider_ref: str) -> dict[str, Any]:
    """The payment of a deposit, under whichever of its names. ``ProviderRejected`` without one."""
    if provider_ref.startswith("pi_"):
        return api.ask(api.client.v1.payment_intents.retrieve, provider_ref)
    page = api.ask(
        api.client.v1.checkout.sessions.retrieve,
        provider_ref,
        params={"expand": ["payment_intent"]},
    )
    intent = page.get("payment_intent")
    if not isinstance(intent, dict):
        raise ProviderRejected("nothing_was_paid")
    return intent


def _refund(
    api: Api,
    intent: Mapping[str, Any],
    key: str,
    amount: Money,
    *,
    payment_id: str,
    purpose: str = "refund",
) -> dict[str, Any]:
    """The refund of this ``key``, made now unless it is there: keys are forgotten after a day."""
    made = api.made_under(key, api.client.v1.refunds.list, params={"payment_intent": intent["id"]})
    if made is not None:
        return made
    return api.ask(
        api.client.v1.refunds.create,
        params={
            "payment_intent": intent["id"],
            "amount": reading.minor_of(amount),
            "metadata": {"payment_id": payment_id, "purpose": purpose, "key": key},
        },
        options={"idempotency_key": key},
    )


def _events_after(api: Api, position: str) -> tuple[list[dict[str, object]], str]:
    call = api.client.v1.events.list
    try:
        wanted = {"limit": LIST_MAX, "ending_before": position} if position else {"limit": 1}
        found = api.ask(call, params=wanted)["data"]
    except (NotThere, ProviderRejected) as forgotten:
        if isinstance(forgotten, ProviderRejected) and forgotten.code != "resource_missing":
            raise
        found = api.ask(call, params={"limit": 1})["data"]
    if not found:
        return [], position
    ours = [event for event in reversed(found) if event.get("type") in events.KINDS]
    return ours or found[:1], str(found[0]["id"])  # never none, or the place would not move on

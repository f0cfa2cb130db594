"""The API's addresses: what each takes, does and answers."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable
from typing import Any

from stripe.params import (
    AccountCreateParams,
    AccountRetrieveParams,
    DisputeRetrieveParams,
    EventListParams,
    PaymentIntentCancelParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    PaymentMethodRetrieveParams,
    PayoutCreateParams,
    PayoutListParams,
    PayoutRetrieveParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
    TransferCreateParams,
    TransferListParams,
    TransferReversalCreateParams,
)
from stripe.params.checkout import (
    SessionCreateParams,
    SessionExpireParams,
    SessionListParams,
    SessionRetrieveParams,
)

from tests.fakes.stripe import banks
from tests.fakes.stripe.books import SMALLEST, Books
from tests.fakes.stripe.refusals import Refusal, invalid, missing

Act = Callable[[Books, dict[str, Any], str, str], dict[str, Any]]
#: (method, address, what it takes, what it does); `{}` in an address is an id.
_ROUTES: list[tuple[str, re.Pattern[str], type, Act]] = []
#: Fields that are ids until they are expanded, and of what kind.
_EXPANDS = {
    "payment_intent": "payment_intent", "latest_charge": "charge", "charge": "charge",
    "balance_transaction": "balance_transaction", "customer": "customer",
    "payment_method": "payment_method",
}  # fmt: skip


def route(method: str, address: str, takes: type) -> Callable[[Act], Act]:
    pattern = re.compile("^" + address.replace("{}", "([A-Za-z0-9_]+)") + "$")

    def keep(act: Act) -> Act:
        _ROUTES.append((method, pattern, takes, act))
        return act

    return keep


def matching(method: str, path: str) -> tuple[type, Act, str]:
    """What answers ``path``, and the id in it. Raises Stripe's refusal of an unknown address."""
    for verb, pattern, takes, act in _ROUTES:
        match = pattern.match(path)
        if verb == method and match is not None:
            return takes, act, match[1] if pattern.groups else ""
    raise Refusal(404, message=f"Unrecognized request URL ({method}: {path}).")


# Checkout


@route("POST", "/v1/checkout/sessions", SessionCreateParams)
def session_create(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    if given.get("mode") != "payment" or not given.get("line_items"):
        raise invalid("mode=payment with line_items", param="mode")
    for name in ("success_url", "cancel_url"):
        if not re.match(r"https?://\w", given.get(name, "https://x")):
            raise invalid("Not a valid URL", param=name, code="url_invalid")
    if "success_url" not in given:
        raise invalid("success_url is needed", param="success_url", code="parameter_missing")
    expires = given.get("expires_at", books.clock_s() + 86_400)
    if not 1_800 <= expires - books.clock_s() <= 86_400:
        raise invalid("30 minutes to 24 hours from creation", param="expires_at")
    [price] = [one["price_data"] for one in given["line_items"]]
    currency, total = price["currency"], price["unit_amount"] * given["line_items"][0]["quantity"]
    _payable(total, currency)
    if len(given.get("client_reference_id", "")) > 200:
        raise invalid("At most 200 characters", param="client_reference_id")
    made = books.make(
        "checkout.session", "cs_test", mode="payment", status="open", payment_status="unpaid",
        amount_total=total, amount_subtotal=total, currency=currency, payment_intent=None,
        client_reference_id=given.get("client_reference_id"), expires_at=expires,
        customer=given.get("customer"), metadata=given.get("metadata", {}), url=None,
        customer_creation=given.get("customer_creation", "if_required"),
        success_url=given["success_url"], cancel_url=given.get("cancel_url"),
        _intent_data=given.get("payment_intent_data", {}),
        _proof=given.get("payment_method_options", {}).get("card", {}).get(
            "request_three_d_secure", "automatic"),
    )  # fmt: skip
    made["url"] = f"https://checkout.stripe.com/c/pay/{made['id']}#fid"
    return made


@route("GET", "/v1/checkout/sessions/{}", SessionRetrieveParams)
def session_get(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    return books.find("checkout.session", ref)


@route("GET", "/v1/checkout/sessions", SessionListParams)
def session_list(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    return _list(books.all("checkout.session", **_by(given, "payment_intent")), given)


@route("POST", "/v1/checkout/sessions/{}/expire", SessionExpireParams)
def session_expire(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    session = books.find("checkout.session", ref)
    if session["status"] != "open":
        raise invalid(f"Only open sessions can be expired, this one is {session['status']}.")
    books.page_expires(ref)
    return session


# Payments


@route("POST", "/v1/payment_intents", PaymentIntentCreateParams)
def intent_create(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    _payable(given["amount"], given["currency"])
    method = None
    if "payment_method" in given:
        method = books.find("payment_method", given["payment_method"])
        if method["customer"] != given.get("customer"):
            raise invalid("The payment method belongs to a Customer; name it.", param="customer")
    if given.get("off_session") and not given.get("confirm"):
        raise invalid("off_session goes with confirm=true", param="off_session")
    intent = books.intent(given["amount"], given["currency"], given, given)
    if given.get("confirm"):
        if method is None:
            raise invalid("A payment method is needed", param="payment_method")
        card = given.get("payment_method_options", {}).get("card", {})
        proof = card.get("request_three_d_secure", "automatic")
        books.confirm(intent, method, proof, given.get("return_url", ""))
    return intent


@route("GET", "/v1/payment_intents/{}", PaymentIntentRetrieveParams)
def intent_get(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    return books.find("payment_intent", ref)


@route("GET", "/v1/payment_intents", PaymentIntentListParams)
def intent_list(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    return _list(books.all("payment_intent", **_by(given, "customer")), given)


@route("POST", "/v1/payment_intents/{}/cancel", PaymentIntentCancelParams)
def intent_cancel(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    intent = books.find("payment_intent", ref)
    books.cancel(intent, given.get("cancellation_reason"))
    return intent


@route("GET", "/v1/payment_methods/{}", PaymentMethodRetrieveParams)
def method_get(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    return books.find("payment_method", ref)


# Refunds and disputes


@route("POST", "/v1/refunds", RefundCreateParams)
def refund_create(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    if "payment_intent" in given:
        intent = books.find("payment_intent", given["payment_intent"])
        if intent["status"] != "succeeded":
            raise invalid("This PaymentIntent does not have a successful charge to refund.")
        charge = books.find("charge", intent["latest_charge"])
    else:
        charge = books.find("charge", given.get("charge", ""))
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = given.get("amount", left)
    if amount < 1:
        raise invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    return banks.refund(books, charge, amount, given)


@route("GET", "/v1/refunds/{}", RefundRetrieveParams)
def refund_get(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    return books.find("refund", ref)


@route("GET", "/v1/refunds", RefundListParams)
def refund_list(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    return _list(books.all("refund", **_by(given, "payment_intent", "charge")), given)


@route("GET", "/v1/disputes/{}", DisputeRetrieveParams)
def dispute_get(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    return books.find("dispute", ref)


# Connected accounts


@route("POST", "/v1/accounts", AccountCreateParams)
def account_create(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    bank = given.get("external_account")
    if not isinstance(bank, dict) or not re.fullmatch(
        r"[A-Z]{2}\d{2}\w{11,30}", bank.get("account_number", "")
    ):
        raise invalid("Not a bank account", param="external_account[account_number]",
                      code="account_number_invalid")  # fmt: skip
    if bank["country"] != given.get("country"):
        raise invalid("Another country than the account's", param="external_account[country]")
    controller = given.get("controller", {})
    if controller.get("losses", {}).get("payments") == "application" and (
        controller.get("fees", {}).get("payer") != "application"
    ):
        raise invalid("losses.payments=application requires fees.payer=application")
    made = books.make(
        "account", "acct", country=given["country"], business_type=given.get("business_type"),
        payouts_enabled=False, charges_enabled=False, capabilities={"transfers": "inactive"},
        metadata=given.get("metadata", {}), requirements={"currently_due": ["individual.dob.day"]},
    )  # fmt: skip
    digest = hashlib.sha256(bank["account_number"].encode()).hexdigest()[:16]
    own = {
        "id": f"ba_{digest}", "object": "bank_account", "account": made["id"],
        "account_holder_name": bank.get("account_holder_name"), "country": bank["country"],
        "currency": bank.get("currency"), "fingerprint": digest, "status": "new",
        "last4": bank["account_number"][-4:],
    }  # fmt: skip
    made["external_accounts"] = {"object": "list", "data": [own], "has_more": False}
    books.events.add("account.updated", made, made["id"])
    return made


@route("GET", "/v1/accounts/{}", AccountRetrieveParams)
def account_get(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    return books.find("account", ref)


@route("POST", "/v1/transfers", TransferCreateParams)
def transfer_create(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    account = books.find("account", given["destination"])
    if account["capabilities"]["transfers"] != "active":
        raise invalid("Your destination account needs the transfers capability enabled.",
                      code="insufficient_capabilities_for_transfer")  # fmt: skip
    amount, currency = given["amount"], given["currency"]
    if books.balance(currency) < amount:
        raise invalid("You have insufficient available funds.", code="balance_insufficient")
    made = books.make(
        "transfer", "tr", amount=amount, amount_reversed=0, currency=currency, reversed=False,
        destination=account["id"], transfer_group=given.get("transfer_group"),
        metadata=given.get("metadata", {}),
    )  # fmt: skip
    books.entry("transfer", made, -amount)
    books.entry("transfer", made, amount, account=account["id"], kind="payment")
    books.events.add("transfer.created", made)
    return made


@route("GET", "/v1/transfers", TransferListParams)
def transfer_list(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    return _list(books.all("transfer", **_by(given, "transfer_group", "destination")), given)


@route("POST", "/v1/transfers/{}/reversals", TransferReversalCreateParams)
def reversal(books: Books, given: dict[str, Any], ref: str, _account: str) -> dict[str, Any]:
    transfer = books.find("transfer", ref)
    amount = given.get("amount", transfer["amount"] - transfer["amount_reversed"])
    there = books.balance(transfer["currency"], transfer["destination"])
    if transfer["reversed"] or there < amount:
        raise invalid("The account's balance does not cover it.", code="balance_insufficient")
    made = books.make(
        "transfer_reversal", "trr", amount=amount, currency=transfer["currency"], transfer=ref,
        metadata=given.get("metadata", {}),
    )  # fmt: skip
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    books.entry("transfer_reversal", made, amount)
    books.entry("transfer_reversal", made, -amount, account=transfer["destination"])
    return made


@route("POST", "/v1/payouts", PayoutCreateParams)
def payout_create(books: Books, given: dict[str, Any], _id: str, account: str) -> dict[str, Any]:
    if account and not books.find("account", account)["payouts_enabled"]:
        raise invalid("Payouts are not enabled.", code="payouts_not_allowed")
    amount, currency = given["amount"], given["currency"]
    if books.balance(currency, account) < amount:
        raise invalid("You have insufficient funds.", code="balance_insufficient")
    made = books.make(
        "payout", "po", amount=amount, currency=currency, status="pending", automatic=False,
        arrival_date=books.clock_s() + 2 * 86_400, metadata=given.get("metadata", {}),
        failure_code=None, failure_balance_transaction=None,
        method=given.get("method", "standard"), _account=account,
    )  # fmt: skip
    books.entry("payout", made, -amount, account=account)
    books.events.add("payout.created", made, account)
    return made


@route("GET", "/v1/payouts", PayoutListParams)
def payout_list(books: Books, given: dict[str, Any], _id: str, account: str) -> dict[str, Any]:
    return _list(books.all("payout", _account=account, **_by(given, "status")), given)


@route("GET", "/v1/payouts/{}", PayoutRetrieveParams)
def payout_get(books: Books, given: dict[str, Any], ref: str, account: str) -> dict[str, Any]:
    return books.find("payout", ref, account)


@route("GET", "/v1/events", EventListParams)
def event_list(books: Books, given: dict[str, Any], _id: str, _account: str) -> dict[str, Any]:
    """Newest first; those that end before one are the next newer ones."""
    own = [event for event in reversed(books.events.all) if "account" not in event]
    before = given.get("ending_before")
    if before is None:
        return _list(own, given)
    names = [event["id"] for event in own]
    if before not in names:
        raise missing("event", before, "ending_before")
    newer = own[: names.index(before)]
    limit = given.get("limit", 10)
    return _list(newer, given) | {"data": newer[-limit:]}


# Answers


def _payable(amount: int, currency: str) -> None:
    if currency not in SMALLEST:
        raise invalid(f"Invalid currency: {currency}", param="currency")
    if amount < SMALLEST[currency]:
        raise invalid("Amount must be at least the minimum", code="amount_too_small")
    if currency == "kwd" and amount % 10:
        raise invalid("The last digit must be 0", param="amount")


def _by(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _list(found: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    limit = given.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("limit is 1 to 100", param="limit")
    since = given.get("created", {}).get("gte", 0)
    found = [one for one in found if one["created"] >= since]
    names = [one["id"] for one in found]
    after = given.get("starting_after")
    if after is not None:
        if after not in names:
            raise missing("object", after, "starting_after")
        found = found[names.index(after) + 1 :]
    return {
        "object": "list", "url": "/v1", "data": found[:limit], "has_more": len(found) > limit,
    }  # fmt: skip


def shown(books: Books, found: dict[str, Any], expand: list[str]) -> dict[str, Any]:
    """``found`` as it is answered: without our own fields, expanded where that was asked."""
    answer = _public(found)
    for path in expand:
        _expand(books, answer, path.split("."), path)
    return answer


def _public(found: dict[str, Any]) -> dict[str, Any]:
    copied = copy.deepcopy({k: v for k, v in found.items() if not k.startswith("_")})
    for name in ("data", "balance_transactions"):
        if name in copied and found["object"] != "event":
            copied[name] = [_public(one) for one in found[name]]
    return copied


def _expand(books: Books, at: dict[str, Any], path: list[str], whole: str) -> None:
    name, rest = path[0], path[1:]
    if at["object"] == "charge" and name == "refunds":
        refunds = books.all("refund", charge=at["id"])
        at[name] = _public(_list(refunds, {}))
    elif name in _EXPANDS and (name in at):
        if isinstance(at[name], str):
            kind = _EXPANDS[name]
            if at[name] not in books.objects.get(kind, {}):
                raise missing(kind, at[name])
            at[name] = _public(books.objects[kind][at[name]])
    else:
        raise invalid(f"This property cannot be expanded ({whole}).", param="expand")
    if rest and isinstance(at[name], dict):
        _expand(books, at[name], rest, whole)

"""What Stripe's objects mean to us: each status we can meet, amounts, means of payment. No calls.

A status that is not in these tables is ``ProviderUnreachable``: never success, never failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from kernel.money import SCALES, Money, total
from payments.providers.fields import text, whole_minor
from payments.providers.protocol import (
    DepositReport,
    DisputeReport,
    DisputeState,
    Instrument,
    InstrumentKind,
    PayoutReport,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.providers.stripe_events import PAYOUT
from payments.states import DepositState, WithdrawalState

#: docs.stripe.com/currencies: currencies whose smallest unit in the API is the currency itself, and
#: those with thousandths (whose last digit must be 0). All others are counted in hundredths, also
#: ISK and UGX, which have none: Stripe wants two zeros there.
ZERO_DECIMAL: Final = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
THREE_DECIMAL: Final = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])

_D, _W = DepositState, WithdrawalState
#: A hosted page by its own status and that of its payment. A page stays open when a card is
#: declined: the player may take another, until it expires.
_SESSIONS: Final = {
    ("open", "unpaid"): _D.REQUIRES_ACTION,
    ("complete", "paid"): _D.SUCCEEDED,
    ("expired", "unpaid"): _D.EXPIRED,
}
#: A payment with a known instrument. Only we could try it again, and we do not: a decline is final.
#: We capture at once and confirm at once, so `requires_capture` and `requires_confirmation` are not
#: ours. Of a page that is complete and unpaid (a slow method) the same table speaks.
_INTENTS: Final = {
    "requires_action": _D.REQUIRES_ACTION,
    "processing": _D.PROCESSING,
    "succeeded": _D.SUCCEEDED,
    "requires_payment_method": _D.FAILED,
    "canceled": _D.CANCELED,
}
_REFUNDS: Final = {
    "pending": _W.SUBMITTED,
    "requires_action": _W.SUBMITTED,
    "succeeded": _W.PAID,
    "failed": _W.FAILED,
    "canceled": _W.FAILED,
}
_PAYOUTS: Final = {
    "pending": _W.SUBMITTED,
    "in_transit": _W.IN_TRANSIT,
    "paid": _W.PAID,
    "failed": _W.FAILED,
    "canceled": _W.FAILED,
}
#: An appeal follows a loss, and the money stays taken while it lasts.
_DISPUTES: Final = {
    "needs_response": DisputeState.OPENED,
    "under_review": DisputeState.OPENED,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
    "appeal_needs_response": DisputeState.LOST,
    "appeal_under_review": DisputeState.LOST,
}
#: Inquiries, and what was settled before it became a dispute: no money was taken.
NOTHING_TAKEN: Final = frozenset(
    {"warning_needs_response", "warning_under_review", "warning_closed", "prevented"}
)

_WRONG = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError)


def minor_of(amount: Money) -> int:
    """``amount`` in Stripe's smallest unit. ``ProviderRejected`` where it has none so small."""
    shift = _scale(amount.currency) - SCALES[amount.currency]
    if shift >= 0:
        found = amount.minor * _power(shift)
    else:
        found, rest = divmod(amount.minor, _power(-shift))
        if rest:
            raise ProviderRejected("amount_not_payable")
    if amount.currency in THREE_DECIMAL and found % 10:
        raise ProviderRejected("amount_not_payable")
    return found


def money_of(minor: object, currency: object) -> Money:
    """What Stripe counts as ``minor`` of ``currency``. ``ValueError`` where it is no such thing."""
    code = currency.upper() if isinstance(currency, str) else ""
    if code not in SCALES:
        raise ValueError("a currency we do not know")
    counted, shift = whole_minor(minor), SCALES[code] - _scale(code)
    if shift >= 0:
        return Money(counted * _power(shift), code)
    found, rest = divmod(counted, _power(-shift))
    if rest:
        raise ValueError("an amount is a whole number of our smallest units")
    return Money(found, code)


def _power(digits: int) -> int:
    return int("1" + "0" * digits)


def _scale(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def deposit_of_session(session: Mapping[str, Any]) -> DepositReport:
    """How the deposit of a hosted page stands, its payment and charge expanded in it."""
    try:
        intent = session.get("payment_intent")
        intent = intent if isinstance(intent, Mapping) else None
        status = (session["status"], session["payment_status"])
        if status == ("complete", "unpaid") and intent is not None:
            state = _INTENTS[intent["status"]]
            state = _D.FAILED if state is _D.CANCELED else state
        else:
            state = _SESSIONS[status]
        return _deposit(
            session["id"], UUID(session["client_reference_id"]), state, intent,
            asked=money_of(session["amount_total"], session["currency"]),
            url=session.get("url") if state is _D.REQUIRES_ACTION else "",
        )  # fmt: skip
    except _WRONG as error:
        raise ProviderUnreachable(f"not a page of ours: {error!r}") from error


def deposit_of_intent(intent: Mapping[str, Any]) -> DepositReport:
    """How a deposit with a known instrument stands, its charge expanded in it."""
    try:
        state = _INTENTS[intent["status"]]
        action = intent.get("next_action") or {}
        url = ""
        if state is _D.REQUIRES_ACTION:
            url = action["redirect_to_url"]["url"]  # any other action would need a script
        return _deposit(
            intent["id"], UUID(intent["metadata"]["payment_id"]), state, intent,
            asked=money_of(intent["amount"], intent["currency"]), url=url,
        )  # fmt: skip
    except _WRONG as error:
        raise ProviderUnreachable(f"not a payment of ours: {error!r}") from error


def _deposit(
    ref: str,
    payment_id: UUID,
    state: DepositState,
    intent: Mapping[str, Any] | None,
    *,
    asked: Money,
    url: str | None,
) -> DepositReport:
    charge = (intent or {}).get("latest_charge")
    charge = charge if isinstance(charge, Mapping) else {}
    amount, refunded = asked, None
    if intent is not None and state is _D.SUCCEEDED:
        amount = money_of(intent["amount_received"], intent["currency"])
        refunded = _refunded(charge, amount.currency)
        if refunded is not None and refunded == amount:
            state = _D.REFUNDED
    return DepositReport(
        payment_id=payment_id,
        provider_ref=text(ref, 80),
        state=state,
        amount=amount,
        redirect_url=text(url or "", 500),
        reason="" if state is _D.SUCCEEDED else _why(intent or {}),
        instrument=_instrument(intent or {}, charge),
        fee=_fee(charge.get("balance_transaction")),
        refunded=refunded,
    )


def _refunded(charge: Mapping[str, Any], currency: str) -> Money | None:
    """What has gone back as a refund: made, not pending or failed, and no payout of a player's."""
    refunds = charge.get("refunds")
    if not isinstance(refunds, Mapping):
        return None
    if refunds["has_more"]:
        raise ValueError("not all refunds are here")
    made = [
        one
        for one in refunds["data"]
        if one["status"] == "succeeded" and (one["metadata"] or {}).get("purpose") != PAYOUT
    ]
    return total([money_of(one["amount"], one["currency"]) for one in made], currency)


def _fee(entry: object) -> Money | None:
    """What Stripe kept, in the currency of our balance; none while it has not been booked."""
    if not isinstance(entry, Mapping):
        return None
    return money_of(entry["fee"], entry["currency"])


def _why(intent: Mapping[str, Any]) -> str:
    error = intent.get("last_payment_error") or {}
    return str(error.get("decline_code") or error.get("code") or "")[:120]


def _instrument(intent: Mapping[str, Any], charge: Mapping[str, Any]) -> Instrument | None:
    """The card as Stripe names it: never its number, which Stripe does not tell either."""
    details = charge.get("payment_method_details") or {}
    token, card = charge.get("payment_method"), details.get("card")
    if not isinstance(token, str) or not isinstance(card, Mapping):
        return None
    holder = (charge.get("billing_details") or {}).get("name") or ""
    return Instrument(
        token=text(token, 80),
        kind=InstrumentKind.CARD,
        fingerprint=text(card.get("fingerprint") or "", 80),
        brand=str(card.get("brand") or "")[:32],
        last4=str(card.get("last4") or "")[:4],
        country=str(card.get("country") or "")[:2],
        holder=str(holder)[:120],
    )


def instrument_of_account(account: Mapping[str, Any]) -> Instrument:
    """A connected account as an instrument to pay to, by its one bank account; of no known holder:
    the name in it is the one that we told.
    """
    try:
        [bank] = account["external_accounts"]["data"]
        return Instrument(
            token=text(account["id"], 80),
            kind=InstrumentKind.BANK_ACCOUNT,
            fingerprint=text(bank["fingerprint"], 80),
            last4=str(bank["last4"])[:4],
            country=str(bank["country"])[:2],
        )
    except _WRONG as error:
        raise ProviderUnreachable(f"not an account of ours: {error!r}") from error


def payout_of_refund(refund: Mapping[str, Any]) -> PayoutReport:
    """How a payout into the instrument of a deposit stands."""
    return _payout(refund, str(refund.get("id")), _REFUNDS, "failure_reason")


def payout_of_payout(account: str, payout: Mapping[str, Any]) -> PayoutReport:
    """How a payout onto an account stands; ``account`` is the connected account it left from."""
    return _payout(payout, f"{account}/{payout.get('id')}", _PAYOUTS, "failure_code")


def _payout(
    found: Mapping[str, Any], ref: str, states: Mapping[str, WithdrawalState], why: str
) -> PayoutReport:
    try:
        return PayoutReport(
            payment_id=UUID(found["metadata"]["payment_id"]),
            provider_ref=text(ref, 80),
            state=states[found["status"]],
            amount=money_of(found["amount"], found["currency"]),
            reason=str(found.get(why) or "")[:120],
        )
    except _WRONG as error:
        raise ProviderUnreachable(f"not a payout of ours: {error!r}") from error


def dispute_of(dispute: Mapping[str, Any], deposit_ref: str) -> DisputeReport:
    """How a dispute stands, its payment expanded in it; not for one of ``NOTHING_TAKEN``."""
    try:
        due = (dispute.get("evidence_details") or {}).get("due_by")
        return DisputeReport(
            payment_id=UUID(dispute["payment_intent"]["metadata"]["payment_id"]),
            provider_ref=text(dispute["id"], 80),
            deposit_ref=deposit_ref,
            state=_DISPUTES[dispute["status"]],
            amount=money_of(dispute["amount"], dispute["currency"]),
            fee=_dispute_fee(dispute["balance_transactions"]),
            reason=str(dispute.get("reason") or "")[:120],
            evidence_due=None if due is None else datetime.fromtimestamp(due, UTC),
        )
    except _WRONG as error:
        raise ProviderUnreachable(f"not a dispute of ours: {error!r}") from error


def _dispute_fee(entries: list[Mapping[str, Any]]) -> Money | None:
    """What Stripe asks for it: the fee of the entry that took the money."""
    taken = [one for one in entries if one["reporting_category"] == "dispute"]
    return _fee(taken[0]) if taken else None

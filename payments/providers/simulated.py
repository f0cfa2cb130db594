"""The simulated provider as seen from our side: its API, its states, its webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx

from kernel.money import SCALES, Money
from payments.messages import signatures
from payments.providers import http
from payments.providers.fields import text, whole_minor
from payments.providers.protocol import (
    BadWebhook,
    DepositReport,
    DisputeReport,
    DisputeState,
    Instrument,
    InstrumentKind,
    NewAccount,
    NewDeposit,
    NewPayout,
    News,
    PayoutReport,
    ProviderUnreachable,
)
from payments.states import DepositState, WithdrawalState

NAME: Final = "simulated"
SIGNATURE_HEADER: Final = "Faro-Psp-Signature"

_DEPOSIT_STATES: Final = {
    "requires_action": DepositState.REQUIRES_ACTION,
    "processing": DepositState.PROCESSING,
    "succeeded": DepositState.SUCCEEDED,
    "failed": DepositState.FAILED,
    "canceled": DepositState.CANCELED,
    "expired": DepositState.EXPIRED,
    "refunded": DepositState.REFUNDED,
}
_PAYOUT_STATES: Final = {
    "submitted": WithdrawalState.SUBMITTED,
    "in_transit": WithdrawalState.IN_TRANSIT,
    "paid": WithdrawalState.PAID,
    "failed": WithdrawalState.FAILED,
    "returned": WithdrawalState.RETURNED,
}


class SimulatedProvider:
    """`payments.simulated_psp` over HTTP. Constructed per use: it holds no state."""

    name = NAME

    def __init__(self, base_url: str, secret: str) -> None:
        self._base_url = base_url
        self._secret = secret

    def create_deposit(self, wanted: NewDeposit) -> DepositReport:
        return _deposit(
            self._call(
                "POST",
                "/v1/payments",
                key=wanted.key,
                language=wanted.language,
                body={
                    "merchant_reference": str(wanted.payment_id),
                    "amount_minor": wanted.amount.minor,
                    "currency": wanted.amount.currency,
                    "return_url": wanted.return_url,
                    "customer": wanted.customer,
                    "saved_instrument": wanted.instrument,
                    "challenge": wanted.challenge,
                },
            )
        )

    def find_deposit(self, provider_ref: str) -> DepositReport:
        return _deposit(self._call("GET", f"/v1/payments/{provider_ref}"))

    def refund(self, key: str, provider_ref: str, amount: Money) -> DepositReport:
        found = self._call(
            "POST",
            f"/v1/payments/{provider_ref}/refunds",
            key=key,
            body={"amount_minor": amount.minor, "currency": amount.currency},
        )
        made = found.get("refund")
        failed = isinstance(made, dict) and made.get("status") == "failed"
        return replace(_deposit(found), refund_failed=failed)

    def create_payout(self, wanted: NewPayout) -> PayoutReport:
        return _payout(
            self._call(
                "POST",
                "/v1/payouts",
                key=wanted.key,
                body={
                    "merchant_reference": str(wanted.payment_id),
                    "amount_minor": wanted.amount.minor,
                    "currency": wanted.amount.currency,
                    "route": wanted.route.value,
                    "target": wanted.target,
                },
            )
        )

    def find_payout(self, provider_ref: str) -> PayoutReport:
        return _payout(self._call("GET", f"/v1/payouts/{provider_ref}"))

    def find_dispute(self, provider_ref: str) -> DisputeReport:
        return _dispute(self._call("GET", f"/v1/disputes/{provider_ref}"))

    def events_after(self, position: str) -> tuple[list[dict[str, object]], str]:
        found = self._call("GET", f"/v1/events?after={position or 0}")
        events, last = found.get("events"), found.get("last")
        if not isinstance(events, list) or type(last) is not int:
            raise ProviderUnreachable("not a list of events")
        return events, str(last)

    def register_account(self, wanted: NewAccount) -> Instrument:
        found = self._call(
            "POST",
            "/v1/accounts",
            key=wanted.key,
            body={"holder": wanted.holder, "iban": wanted.iban},
        )
        try:
            return _instrument(found)
        except _NOT_AS_AGREED as error:
            raise ProviderUnreachable(f"not an account: {error!r}") from error

    def authenticate(self, body: bytes, headers: Mapping[str, str], now_s: int) -> None:
        secrets = {signatures.KEY_ID: self._secret}
        fault = signatures.check(body, headers.get(SIGNATURE_HEADER, ""), secrets, now_s)
        if fault is not None:
            raise BadWebhook(fault.value)

    def read(self, payload: Mapping[str, object]) -> tuple[str, News]:
        event_id, found = payload.get("id"), payload.get("data")
        if not isinstance(event_id, str) or not 0 < len(event_id) <= 80:
            raise BadWebhook("no event id")
        if not isinstance(found, dict):
            raise BadWebhook("no object")
        try:
            if found.get("object") == "payment":
                return event_id, _deposit(found)
            if found.get("object") == "payout":
                return event_id, _payout(found)
            if found.get("object") == "dispute":
                return event_id, _dispute(found)
        except ProviderUnreachable as error:
            raise BadWebhook(str(error)) from error
        raise BadWebhook("unknown object")

    def keeps(self, payload: Mapping[str, object]) -> dict[str, object]:
        return dict(payload)

    def _call(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        body: Mapping[str, Any] | None = None,
        language: str = "",
    ) -> dict[str, Any]:
        with self._client() as client:
            if language:
                client.headers["Accept-Language"] = language
            return http.call(client, method, path, key=key, body=body)

    def _client(self) -> httpx.Client:
        return http.client(self._base_url, signatures.api_key(self._secret))


#: What reading an object raises that is not what both sides agreed on.
_NOT_AS_AGREED: Final = (KeyError, ValueError, TypeError, AttributeError)


def _deposit(found: Mapping[str, Any]) -> DepositReport:
    try:
        chosen = found.get("instrument")
        return DepositReport(
            payment_id=UUID(found["merchant_reference"]),
            provider_ref=text(found["id"], 80),
            state=_DEPOSIT_STATES[found["status"]],
            amount=_money(found),
            redirect_url=text(found.get("redirect_url") or "", 500),
            reason=text(found.get("reason") or "", 120),
            instrument=None if chosen is None else _instrument(chosen),
            fee=_part(found, "fee_minor"),
            refunded=_part(found, "refunded_minor"),
        )
    except _NOT_AS_AGREED as error:
        raise ProviderUnreachable(f"not a payment: {error!r}") from error


def _instrument(found: Mapping[str, Any]) -> Instrument:
    return Instrument(
        token=text(found["token"], 80),
        kind=InstrumentKind(found["kind"]),
        fingerprint=text(found["fingerprint"], 80),
        brand=text(found["brand"], 32),
        last4=text(found["last4"], 4),
        country=text(found["country"], 2),
        holder=text(found["holder"], 120),
        holder_checked=found.get("holder_checked") is True,
    )


def _payout(found: Mapping[str, Any]) -> PayoutReport:
    try:
        return PayoutReport(
            payment_id=UUID(found["merchant_reference"]),
            provider_ref=text(found["id"], 80),
            state=_PAYOUT_STATES[found["status"]],
            amount=_money(found),
            reason=text(found.get("reason") or "", 120),
        )
    except _NOT_AS_AGREED as error:
        raise ProviderUnreachable(f"not a payout: {error!r}") from error


def _dispute(found: Mapping[str, Any]) -> DisputeReport:
    try:
        due = found.get("evidence_due")
        return DisputeReport(
            payment_id=UUID(found["merchant_reference"]),
            provider_ref=text(found["id"], 80),
            deposit_ref=text(found["payment"], 80),
            state=DisputeState(found["status"]),
            amount=_money(found),
            fee=_part(found, "fee_minor"),
            reason=text(found.get("reason") or "", 120),
            evidence_due=None if due is None else _instant(due),
        )
    except _NOT_AS_AGREED as error:
        raise ProviderUnreachable(f"not a dispute: {error!r}") from error


def _instant(said: str) -> datetime:
    at = datetime.fromisoformat(said)
    if at.tzinfo is None:
        raise ValueError("an instant has a time zone")
    return at


def _part(found: Mapping[str, Any], name: str) -> Money | None:
    """An amount beside the payment's own, in its currency; None where it is not told."""
    minor = found.get(name)
    return None if minor is None else Money(whole_minor(minor), found["currency"])


def _money(found: Mapping[str, Any]) -> Money:
    minor, currency = whole_minor(found["amount_minor"]), found["currency"]
    if not minor or currency not in SCALES:
        raise ValueError("an amount is above zero and of a known currency")
    return Money(minor, currency)

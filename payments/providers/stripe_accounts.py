"""Connected accounts: what Stripe pays a person out through, and the way of money onto them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from payments.providers import stripe_reading as reading
from payments.providers.protocol import (
    NewAccount,
    NewPayout,
    PayoutReport,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.providers.stripe_client import LIST_MAX, Api

#: What accounts are held in where it is not the euro, by the country of their IBAN.
ACCOUNT_CURRENCIES: Final = {
    "CH": "chf", "DK": "dkk", "GB": "gbp", "NO": "nok", "PL": "pln", "SE": "sek",
}  # fmt: skip


def pay(api: Api, wanted: NewPayout) -> PayoutReport:
    """Move the money to the player's connected account, and from there to their bank.

    Two steps, each once: what is there of them already is looked up first. Refused, it leaves
    nothing there; what was brought back under this key once is not sent again.
    """
    account = wanted.target
    at_account: Any = {"stripe_account": account}
    made = api.made_under(
        wanted.key, api.client.v1.payouts.list, since=wanted.asked_at, options=at_account
    )
    if made is not None:
        return report_of(api, account, made)
    sent = _transfers(api, wanted.key)
    if sent and all(one["reversed"] for one in sent):
        raise ProviderRejected("brought_back")
    if not api.ask(api.client.v1.accounts.retrieve, account).get("payouts_enabled"):
        bring_back(api, wanted.key)
        raise ProviderRejected("account_not_ready")
    amount, currency = reading.minor_of(wanted.amount), wanted.amount.currency.lower()
    ours = {"payment_id": str(wanted.payment_id), "key": wanted.key}
    if not sent:
        api.ask(
            api.client.v1.transfers.create,
            params={
                "amount": amount,
                "currency": currency,
                "destination": account,
                "transfer_group": wanted.key,
                "metadata": ours,
            },
            options={"idempotency_key": f"{wanted.key}:transfer"},
        )
    try:
        payout = api.ask(
            api.client.v1.payouts.create,
            params={
                "amount": amount,
                "currency": currency,
                "method": "standard",
                "metadata": ours,
            },
            options={"idempotency_key": wanted.key, **at_account},
        )
    except ProviderRejected:
        bring_back(api, wanted.key)
        raise
    return reading.payout_of_payout(account, payout)


def report_of(api: Api, account: str, payout: Mapping[str, Any]) -> PayoutReport:
    """How a payout stands. Of one that failed, the money is brought back before it is said."""
    report = reading.payout_of_payout(account, payout)
    if payout["status"] in {"failed", "canceled"}:
        bring_back(api, payout["metadata"]["key"])
    return report


def opened_with(wanted: NewAccount) -> dict[str, Any]:
    country = wanted.iban[:2].upper()
    return {
        "country": country,
        "business_type": "individual",
        "controller": {
            "fees": {"payer": "application"},
            "losses": {"payments": "application"},
            "requirement_collection": "application",
            "stripe_dashboard": {"type": "none"},
        },
        "capabilities": {"transfers": {"requested": True}},
        "external_account": {
            "object": "bank_account",
            "country": country,
            "currency": ACCOUNT_CURRENCIES.get(country, "eur"),
            "account_number": wanted.iban,
            "account_holder_name": wanted.holder,
            "account_holder_type": "individual",
        },
        "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        "metadata": {"key": wanted.key},
    }


def _transfers(api: Api, group: str) -> list[dict[str, Any]]:
    found = api.ask(
        api.client.v1.transfers.list, params={"transfer_group": group, "limit": LIST_MAX}
    )
    moved: list[dict[str, Any]] = found["data"]
    return moved


def bring_back(api: Api, group: str) -> None:
    """What lies on a connected account after its payout failed comes back to our balance, once.

    ``ProviderUnreachable`` where Stripe does not give it back: nobody may be told that they have it
    again.
    """
    for one in _transfers(api, group):
        if not one["reversed"]:
            try:
                api.ask(
                    api.client.v1.transfers.reversals.create,
                    one["id"],
                    options={"idempotency_key": f"{group}:back"},
                )
            except ProviderRejected as refused:
                raise ProviderUnreachable(f"not brought back: {refused.code}") from refused

"""The payout that Stripe makes to us by itself, and the report that says what was in it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

from tests.fakes.stripe.books import Books

#: docs.stripe.com/reports/report-types, payout_reconciliation.itemized.5, with the columns of
#: our own marks that an operator adds.
COLUMNS = (
    "automatic_payout_id", "automatic_payout_effective_at_utc", "automatic_payout_effective_at",
    "balance_transaction_id", "created_utc", "created", "available_on_utc", "available_on",
    "currency", "gross", "fee", "net", "reporting_category", "source_id", "description",
    "customer_facing_amount", "customer_facing_currency", "customer_id", "charge_id",
    "payment_intent_id", "payment_method_type", "card_brand", "card_country", "dispute_reason",
    "payment_metadata[payment_id]", "refund_metadata[payment_id]", "transfer_metadata[payment_id]",
    "trace_id",
)  # fmt: skip


def pays_us(books: Books, currency: str) -> dict[str, Any]:
    """What is available in our balance goes to our bank, as one automatic payout."""
    entries = [
        one
        for one in books.entries
        if one["currency"] == currency and not one["_account"] and one["_payout"] is None
    ]
    total = sum(one["net"] for one in entries)
    made = books.make(
        "payout", "po", amount=total, currency=currency, automatic=True, status="paid",
        arrival_date=books.clock_s(), metadata={}, method="standard", failure_code=None,
        trace_id={"status": "supported", "value": f"TRACE{len(books.entries)}"}, _account="",
    )  # fmt: skip
    for one in entries:
        one.update(_payout=made["id"], status="available")
    books.entry("payout", made, -total)["_payout"] = made["id"]
    books.events.add("payout.paid", made)
    return made


def itemized(books: Books, payout: dict[str, Any]) -> str:
    """The report's file, in major units and with our marks."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in books.entries:
        if one["_payout"] == payout["id"] and one["source"] != payout["id"]:
            writer.writerow(_row(books, payout, one))
    return out.getvalue()


def _row(books: Books, payout: dict[str, Any], entry: dict[str, Any]) -> dict[str, str]:
    kind = {"ch": "charge", "re": "refund", "du": "dispute", "tr": "transfer"}.get(
        entry["source"].partition("_")[0], "transfer_reversal"
    )
    source = books.find(kind, entry["source"])
    charge = source if kind == "charge" else books.objects["charge"].get(source.get("charge"), {})
    card = charge.get("payment_method_details", {}).get("card", {})
    made, free, effective = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        for at in (entry["created"], entry["available_on"], payout["arrival_date"])
    )
    facing = kind in {"charge", "refund"}
    return {
        "automatic_payout_id": payout["id"],
        "automatic_payout_effective_at_utc": effective,
        "automatic_payout_effective_at": effective,
        "balance_transaction_id": entry["id"],
        "created_utc": made, "created": made, "available_on_utc": free, "available_on": free,
        "currency": entry["currency"],
        **{name: _major(entry[of]) for name, of in (
            ("gross", "amount"), ("fee", "fee"), ("net", "net"))},
        "reporting_category": entry["reporting_category"],
        "source_id": entry["source"],
        "description": "",
        "customer_facing_amount": _major(entry["amount"]) if facing else "",
        "customer_facing_currency": entry["currency"] if facing else "",
        "customer_id": charge.get("customer") or "",
        "charge_id": charge.get("id", ""),
        "payment_intent_id": charge.get("payment_intent", ""),
        "payment_method_type": "card" if card else "",
        "card_brand": card.get("brand", ""), "card_country": card.get("country", ""),
        "dispute_reason": source.get("reason", "") if kind == "dispute" else "",
        "payment_metadata[payment_id]": charge.get("metadata", {}).get("payment_id", ""),
        "refund_metadata[payment_id]":
            source["metadata"].get("payment_id", "") if kind == "refund" else "",
        "transfer_metadata[payment_id]":
            source["metadata"].get("payment_id", "") if kind == "transfer" else "",
        "trace_id": payout["trace_id"]["value"],
    }  # fmt: skip


def _major(minor: int) -> str:
    """Hundredths as the report writes them; it is asked for such currencies only."""
    sign, digits = ("-", -minor) if minor < 0 else ("", minor)
    return f"{sign}{digits // 100}.{digits % 100:02d}"

"""What banks do later: refunds that fail, disputes, payouts that fail after they were paid."""

from __future__ import annotations

from typing import Any

from tests.fakes.stripe.books import DISPUTE_FEE, Books
from tests.fakes.stripe.refusals import invalid


def refund(books: Books, charge: dict[str, Any], amount: int, more: dict[str, Any]) -> dict:
    """Give back of a charge; no more than is left, and nothing of one that is disputed."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"]:
        raise invalid("The charge has been charged back.", code="charge_disputed")
    if left == 0:
        raise invalid("The charge has already been refunded.", code="charge_already_refunded")
    if amount > left:
        raise invalid("Refund amount is greater than unrefunded amount.", param="amount")
    pending = books.balance(charge["currency"]) < amount
    made = books.make(
        "refund", "re", amount=amount, currency=charge["currency"], charge=charge["id"],
        payment_intent=charge["payment_intent"], status="pending" if pending else "succeeded",
        pending_reason="insufficient_funds" if pending else None, failure_reason=None,
        metadata=dict(more.get("metadata", {})), reason=more.get("reason"),
        balance_transaction=None, failure_balance_transaction=None,
    )  # fmt: skip
    if not pending:
        made["balance_transaction"] = books.entry("refund", made, -amount)["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    books.events.add("refund.created", made)
    books.events.add("charge.refunded", charge)
    return made


def refund_fails(books: Books, refund_id: str, reason: str = "expired_or_canceled_card") -> None:
    """The bank sends a refund back, perhaps days after it succeeded."""
    found = books.find("refund", refund_id)
    charge = books.find("charge", found["charge"])
    if found["status"] == "succeeded":
        entry = books.entry("refund_failure", found, found["amount"])
        found["failure_balance_transaction"] = entry["id"]
    found.update(status="failed", failure_reason=reason, pending_reason=None)
    charge["amount_refunded"] -= found["amount"]
    charge["refunded"] = False
    books.events.add("refund.failed", found)


def disputes(books: Books, intent_id: str, *, amount: int = 0, inquiry: bool = False) -> str:
    """A cardholder's bank takes a payment back, or only asks about it. The dispute's id."""
    intent = books.find("payment_intent", intent_id)
    charge = books.find("charge", intent["latest_charge"])
    made = books.make(
        "dispute", "du", amount=amount or charge["amount"], currency=charge["currency"],
        charge=charge["id"], payment_intent=intent_id, reason="fraudulent", metadata={},
        status="warning_needs_response" if inquiry else "needs_response", evidence={},
        is_charge_refundable=inquiry, balance_transactions=[],
        evidence_details={
            "due_by": books.clock_s() + 7 * 86_400, "has_evidence": False, "past_due": False,
            "submission_count": 0,
        },
    )  # fmt: skip
    if not inquiry:
        charge.update(disputed=True, dispute=made["id"])
        made["balance_transactions"] = [
            books.entry("dispute", made, -made["amount"], DISPUTE_FEE, kind="adjustment")
        ]
    books.events.add("charge.dispute.created", made)
    if not inquiry:
        books.events.add("charge.dispute.funds_withdrawn", made)
    return str(made["id"])


def decides(books: Books, dispute_id: str, *, won: bool) -> None:
    found = books.find("dispute", dispute_id)
    found["status"] = "won" if won else "lost"
    books.events.add("charge.dispute.closed", found)
    if won:
        entry = books.entry("dispute_reversal", found, found["amount"], kind="adjustment")
        found["balance_transactions"] = [*found["balance_transactions"], entry]
        books.events.add("charge.dispute.funds_reinstated", found)


def account_is_known(books: Books, account_id: str) -> None:
    """Stripe has what it wants to know of the person: transfers and payouts are on."""
    found = books.find("account", account_id)
    found.update(payouts_enabled=True, capabilities={"transfers": "active"})
    found["requirements"] = {"currently_due": []}
    books.events.add("account.updated", found, account_id)


def payout_moves(books: Books, ref: str, status: str, failure: str = "account_closed") -> None:
    """A payout's next status. One that failed gives its money back to the account it left."""
    account, _, payout_id = ref.rpartition("/")
    found = books.find("payout", payout_id, account)
    assert (found["status"], status) in {
        ("pending", "in_transit"), ("pending", "paid"), ("in_transit", "paid"),
        ("pending", "failed"), ("in_transit", "failed"), ("paid", "failed"),
    }  # fmt: skip
    found["status"] = status
    if status == "failed":
        found["failure_code"] = failure
        entry = books.entry("payout_reversal", found, found["amount"], account=account)
        found["failure_balance_transaction"] = entry["id"]
    kind = "payout.updated" if status == "in_transit" else f"payout.{status}"
    books.events.add(kind, found, account)

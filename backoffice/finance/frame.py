"""The frame of finance's pages: one row of ways from each to the others, by right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from backoffice import desk


@dataclass(frozen=True, slots=True)
class Way:
    """One page of finance's desk, for whoever holds the right."""

    name: str
    title: str
    right: str


WAYS: Final = (
    Way("finance", "Overview", "payments.view_reconciliation"),
    Way("breaks", "Breaks", "payments.view_reconciliation"),
    Way("runs", "Runs", "payments.view_reconciliation"),
    Way("files", "Files", "payments.view_sourcefile"),
    Way("statements", "Statements", "payments.view_reconciliation"),
    Way("reports", "Reports", "ledger.view_account"),
    Way("withdrawals", "Withdrawals", "payments.view_withdrawal"),
    Way("payment_reviews", "Deposits to review", "payments.review_deposit"),
    Way("disputes", "Disputes", "payments.view_chargebacks"),
    Way("late_payments", "Late payments", "payments.view_chargebacks"),
    Way("chargebacks", "Chargebacks", "payments.view_chargebacks"),
    Way("adjustments", "Adjustments and debts", "ledger.view_adjustments"),
    Way("holds", "Held money", "ledger.view_account"),
)


def page(
    request: HttpRequest,
    template: str,
    title: str,
    facts: dict[str, Any],
    *,
    here: str,
    status: int = 200,
) -> HttpResponse:
    """As `desk.page`, with the ways of finance; ``here`` is the name of the way one is on."""
    ways = [
        {"name": way.name, "title": way.title, "link": reverse(f"desk:{way.name}")}
        for way in WAYS
        if request.user.has_perm(way.right)
    ]
    return desk.page(request, template, title, facts | {"ways": ways, "here": here}, status)

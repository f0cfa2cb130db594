"""The provider's books against the ledger's, and each payment's state on both sides."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

from django.db import connection

from compliance import freezing
from kernel.ids import PlayerId
from payments.models import Deposit, Withdrawal
from payments.states import DepositState, WithdrawalState

#: What the ledger books of fees and settlements is the business of reconciliation, not of events.
_LEDGER_SQL: Final = """
SELECT a.currency, sum(CASE WHEN t.debit = a.id THEN t.amount ELSE -t.amount END)
FROM ledger_transfer t JOIN ledger_account a ON a.id IN (t.debit, t.credit)
WHERE a.kind = 'psp_clearing' AND a.owner_ref = 'psp:simulated'
    AND t.kind NOT IN ('psp_fee', 'psp_settlement')
GROUP BY a.currency
"""
_D, _W = DepositState, WithdrawalState
#: What of ours may stand for what the provider says; `unknown` to it: it never heard of it.
SAME: Final[dict[str, frozenset[str]]] = {
    "requires_action": frozenset({_D.REQUIRES_ACTION}),
    "processing": frozenset({_D.PROCESSING}),
    "succeeded": frozenset({_D.SUCCEEDED, _D.REFUND_DUE, _D.DISPUTED, _D.WON, _D.LOST}),
    "failed": frozenset({_D.FAILED, _W.FAILED}),
    "canceled": frozenset({_D.CANCELED}),
    "expired": frozenset({_D.EXPIRED}),
    "refunded": frozenset({_D.REFUNDED, _D.WON, _D.LOST}),
    "submitted": frozenset({_W.SUBMITTED}),
    "in_transit": frozenset({_W.IN_TRANSIT}),
    "paid": frozenset({_W.PAID}),
    "returned": frozenset({_W.RETURNED}),
    "unknown": frozenset({_D.FAILED, _W.FAILED, _W.REJECTED, _W.RISK_REVIEW}),
}


def drift(books: dict[str, Any]) -> dict[str, int]:
    """By currency: what the provider moved for us less what our clearing account says."""
    off: dict[str, int] = defaultdict(int)
    for row in books["movements"]:
        if row["type"] != "payout":
            off[row["currency"]] += row["gross_minor"]
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER_SQL)
        for currency, minor in cursor.fetchall():
            off[currency] -= int(minor)
    return {currency: minor for currency, minor in sorted(off.items()) if minor}


def differing(memory: Path) -> Counter[str]:
    """Payments whose state is another on each side, by what they say."""
    theirs = _theirs(memory)
    found: Counter[str] = Counter()
    for table in (Deposit, Withdrawal):
        for ref, state, player_id in table.objects.values_list("pk", "state", "player_id"):
            said = theirs.pop(str(ref), "unknown")
            if state not in SAME[said] and not _is_kept_back(state, said, player_id):
                found[f"{table.__name__.lower()} {state}, there {said}"] += 1
    for said in theirs.values():
        found[f"not ours, there {said}"] += 1
    return found


def _is_kept_back(state: str, said: str, player_id: int) -> bool:
    """Approved, and not handed over while a deposit of the player is disputed."""
    waits = (state, said) == (WithdrawalState.APPROVED, "unknown")
    return waits and freezing.stops_payout(PlayerId(player_id))


def _theirs(memory: Path) -> dict[str, str]:
    """The provider's payments and payouts by our reference."""
    with sqlite3.connect(f"file:{memory}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT body FROM object WHERE id GLOB 'pay_*' OR id GLOB 'out_*'")
        objects = [json.loads(body) for (body,) in rows]
    return {one["merchant_reference"]: one["status"] for one in objects}

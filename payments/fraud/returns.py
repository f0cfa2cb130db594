"""Returns that were decided: asked for until they are made, and held as long as that takes.

Time decides nothing here. A provider that refuses, fails or is silent is asked again without end,
a hold whose time is nearly over is followed by another, and a return that takes too long is late
(`payments.overdue`), so people have it. One that was disputed meanwhile goes on once it is won.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.database_clock import database_now
from kernel.ids import Actor
from payments.fraud import review
from payments.states import DEPOSIT_WAITS, DepositState
from payments.steps import lock_deposit

SYSTEM: Final = Actor.system("payments")
#: A hold that ends within this is followed by another.
RENEW_WITHIN: Final = timedelta(days=7)
#: Once a week of looks has found nothing.
LOOK_EVERY: Final = timedelta(minutes=15)
#: Deposits in one run; the next one finds the rest.
BATCH: Final = 50

_UNKEPT: Final = """
SELECT d.id FROM payments_fraud_verdict v
JOIN payments_deposit d ON d.id = v.deposit_id
JOIN payments_fraud_review r ON r.deposit_id = d.id
JOIN ledger_hold first ON first.id = r.hold_id
WHERE v.verdict = 'return' AND d.refunded_minor < d.amount_minor AND (
    d.state IN ('succeeded', 'won') AND (d.poll_at IS NULL OR d.expected_by IS NULL)
    OR d.state IN ('succeeded', 'won', 'disputed') AND EXISTS (
        SELECT FROM ledger_hold h
        WHERE h.account = first.account AND h.ref = first.ref AND h.kind = first.kind
            AND h.expires_at < clock_timestamp() + make_interval(secs => %s)
            AND h.expires_at > clock_timestamp()
            AND NOT EXISTS (SELECT FROM ledger_hold_end e WHERE e.hold = h.id)
    )
)
ORDER BY d.id LIMIT %s
"""


def unkept() -> list[UUID]:
    """Deposits to be returned that nobody asks about any more, or whose hold is about to end."""
    with connection.cursor() as cursor:
        cursor.execute(_UNKEPT, [int(RENEW_WITHIN.total_seconds()), BATCH])
        return [row[0] for row in cursor.fetchall()]


def keep(deposit_id: UUID) -> None:
    """See that it is held on and asked about again. Repeatable; locks it, then its account."""
    with transaction.atomic():
        deposit = lock_deposit(deposit_id)
        held, now = review.standing_hold(deposit), database_now()
        if held is not None and held.expires_at < now + RENEW_WITHIN:
            before = review.let_go(deposit, actor=SYSTEM)
            if before is not None:
                review.hold_again(deposit, before, 0, SYSTEM)
        if deposit.state in review.RETURNABLE:
            deposit.poll_at = deposit.poll_at or now + LOOK_EVERY
            waits = DEPOSIT_WAITS[DepositState.REFUND_DUE]
            deposit.expected_by = deposit.expected_by or now + waits
            deposit.save(update_fields=["poll_at", "expected_by"])

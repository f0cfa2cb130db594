"""What a provider insists on and our record cannot follow: kept, and told once to those who look.

Nothing is booked of it. A withdrawal that we have as failed and the provider as paid is money that
went out and is in the player's balance as well, so nobody should first read of it in a file.
"""

from __future__ import annotations

from typing import Final

from audit.canonical import plain
from audit.models import AuditEvent
from audit.record import Subject, record, register
from kernel.ids import Actor
from payments.disputes.telling import tell
from payments.models import Deposit, Withdrawal
from payments.notice_kinds import PAYMENT_CONTRADICTED
from payments.providers.protocol import DepositReport, PayoutReport
from payments.words.explaining import direction_of

_KINDS: Final = {
    "deposit": register("deposit.contradicted", "Provider contradicts our record"),
    "withdrawal": register("withdrawal.contradicted", "Provider contradicts our record"),
}


def note(
    payment: Deposit | Withdrawal, report: DepositReport | PayoutReport, *, actor: Actor
) -> None:
    """Record what was confirmed about a locked payment; tell it unless it was said before.

    In the caller's transaction.
    """
    way = direction_of(payment)
    kind, subject = _KINDS[way], Subject(way, str(payment.pk))
    said: dict[str, str | int | bool | None] = {
        "reported": report.state.value,
        "provider_ref": report.provider_ref,
        "amount_minor": report.amount.minor,
        "currency": report.amount.currency,
    }
    before = AuditEvent.objects.filter(
        subject_kind=subject.kind, subject_id=subject.id, kind=kind
    ).values_list("after", flat=True)
    is_told = plain(said) in list(before)
    record(
        kind,
        actor=actor,
        subject=subject,
        component="payments",
        before={"state": payment.state},
        after=said,
    )
    if not is_told:
        of_it = {"provider": payment.provider, "way": way, "payment": str(payment.pk)}
        tell(PAYMENT_CONTRADICTED, said | of_it | {"state": payment.state})

"""What a player reads about payments: each state in plain words, each refusal with its remedy.

Every waiting state says what happened, what is awaited and from whom, and what the player can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance import wording as compliance_wording
from ledger.postings import TransferKind
from payments.models import Deposit, Transition, Withdrawal
from payments.states import DEPOSIT_WAITS, WITHDRAWAL_WAITS, DepositState, WithdrawalState

_D, _W = DepositState, WithdrawalState

#: State → (short name, what it means and who has it, look of the badge).
_DEPOSITS: Final = {
    _D.CREATED: (
        gettext_lazy("Begun"),
        gettext_lazy("We are opening the payment page. You need to do nothing."),
        "pending",
    ),
    _D.UNKNOWN: (
        gettext_lazy("Checking"),
        gettext_lazy(
            "The payment provider did not answer in time. We ask again by ourselves; do not pay"
            " twice."
        ),
        "pending",
    ),
    _D.REQUIRES_ACTION: (
        gettext_lazy("Waiting for you"),
        gettext_lazy("Finish it on the payment page. Unfinished, it ends by itself."),
        "pending",
    ),
    _D.PROCESSING: (
        gettext_lazy("On its way"),
        gettext_lazy("Your bank is confirming the payment. You need to do nothing."),
        "pending",
    ),
    _D.SUCCEEDED: (gettext_lazy("Paid in"), gettext_lazy("It is in your balance."), "good"),
    _D.FAILED: (
        gettext_lazy("Not paid"),
        gettext_lazy("The payment was declined. Nothing was charged. You can try again."),
        "stop",
    ),
    _D.CANCELED: (gettext_lazy("Cancelled"), gettext_lazy("Nothing was charged."), "off"),
    _D.EXPIRED: (
        gettext_lazy("Ran out"),
        gettext_lazy("The payment page was not finished in time. Nothing was charged."),
        "off",
    ),
    _D.REFUND_DUE: (
        gettext_lazy("Going back to you"),
        gettext_lazy(
            "It may not be played, so we are returning it to where it came from. You need to do"
            " nothing."
        ),
        "pending",
    ),
    _D.REFUNDED: (gettext_lazy("Returned"), gettext_lazy("It went back to its source."), "off"),
    _D.DISPUTED: (
        gettext_lazy("Disputed"),
        gettext_lazy("Your bank asked for it back. We are answering the bank."),
        "pending",
    ),
    _D.WON: (gettext_lazy("Dispute closed"), gettext_lazy("The payment stands."), "off"),
    _D.LOST: (gettext_lazy("Charged back"), gettext_lazy("Your bank took it back."), "off"),
}
_WITHDRAWALS: Final = {
    _W.REQUESTED: (
        gettext_lazy("Asked for"),
        gettext_lazy("The money has left your playing balance."),
        "pending",
    ),
    _W.RISK_REVIEW: (
        gettext_lazy("Being checked"),
        gettext_lazy("Somebody here looks at every withdrawal. You need to do nothing."),
        "pending",
    ),
    _W.APPROVED: (
        gettext_lazy("Approved"),
        gettext_lazy("We are handing it to the payment provider. You need to do nothing."),
        "pending",
    ),
    _W.UNKNOWN: (
        gettext_lazy("Checking"),
        gettext_lazy("The payment provider did not answer in time. We ask again by ourselves."),
        "pending",
    ),
    _W.SUBMITTED: (
        gettext_lazy("Sent"),
        gettext_lazy("The payment provider has it. You need to do nothing."),
        "pending",
    ),
    _W.IN_TRANSIT: (
        gettext_lazy("On its way to your bank"),
        gettext_lazy("Banks take up to two working days. You need to do nothing."),
        "pending",
    ),
    _W.PAID: (gettext_lazy("Paid"), gettext_lazy("It was paid to you."), "good"),
    _W.REJECTED: (
        gettext_lazy("Not approved"),
        gettext_lazy("The money is back in your balance. Our support can say more."),
        "stop",
    ),
    _W.FAILED: (
        gettext_lazy("Not paid"),
        gettext_lazy("The payment could not be made. The money is back in your balance."),
        "stop",
    ),
    _W.RETURNED: (
        gettext_lazy("Came back"),
        gettext_lazy("Your bank sent it back. The money is in your balance again."),
        "stop",
    ),
}
_REFUSALS: Final = {
    "key_reused": gettext_lazy("This form was used already. Load the page again."),
    "withdrawal_key_reused": gettext_lazy("This form was used already. Load the page again."),
    "too_many_failures": gettext_lazy(
        "Several payments failed in a short time. Wait ten minutes, then try again."
    ),
    "limits_not_asked": gettext_lazy("How much do you want to pay in at most?"),
    "deposit_too_large": gettext_lazy("That is more than can be paid in at once."),
    "not_enough": gettext_lazy("Your balance does not cover that. Nothing was taken."),
    "provider_not_connected": gettext_lazy(
        "No payment provider is connected at the moment. Nothing was charged."
    ),
}


#: What an amount that is set aside may become: the kind of its transfer → for what it waits.
_HOLDS: Final = {
    TransferKind.DEPOSIT_REVERSAL: gettext_lazy("A deposit that may go back to its source"),
    TransferKind.CORRECTION: gettext_lazy("A round whose result is being looked into"),
}
_HELD: Final = gettext_lazy("A question that we are looking into")
#: What changes a debt, as its player reads it.
_DEBT: Final = {
    TransferKind.CHARGEBACK: gettext_lazy("A deposit your bank took back"),
    TransferKind.CORRECTION: gettext_lazy("A round whose result was corrected"),
    TransferKind.DEBT_SETTLED: gettext_lazy("Taken from your balance"),
    TransferKind.DEBT_WRITTEN_OFF: gettext_lazy("Written off"),
}
_DEBT_OTHER: Final = gettext_lazy("Adjusted by us")


def held_for(kind: TransferKind) -> str:
    """For what an amount of the balance is set aside, in plain words."""
    return str(_HOLDS.get(kind, _HELD))


def owed_for(kind: TransferKind) -> str:
    """What changed a debt, in plain words."""
    return str(_DEBT.get(kind, _DEBT_OTHER))


@dataclass(frozen=True, slots=True)
class Shown:
    """One payment as its player sees it. ``awaited`` is empty once nothing more will come."""

    id: UUID
    direction: str
    amount_minor: int
    currency: str
    state: str
    name: str
    words: str
    badge: str
    created_at: datetime
    expected_by: datetime | None
    is_waiting: bool


def shown(payment: Deposit | Withdrawal) -> Shown:
    """``payment`` in words."""
    if isinstance(payment, Deposit):
        name, words, badge = _DEPOSITS[DepositState(payment.state)]
        waiting = DepositState(payment.state) in DEPOSIT_WAITS
        direction = "deposit"
    else:
        name, words, badge = _WITHDRAWALS[WithdrawalState(payment.state)]
        waiting = WithdrawalState(payment.state) in WITHDRAWAL_WAITS
        direction = "withdrawal"
    return Shown(
        id=payment.pk,
        direction=direction,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        state=payment.state,
        name=str(name),
        words=str(words),
        badge=badge,
        created_at=payment.created_at,
        expected_by=payment.expected_by if waiting else None,
        is_waiting=waiting,
    )


def timeline(payment: Deposit | Withdrawal) -> list[dict[str, Any]]:
    """The payment's history as steps for the timeline partial, the present one last."""
    table: Mapping[Any, tuple[Any, Any, str]] = (
        _DEPOSITS if isinstance(payment, Deposit) else _WITHDRAWALS
    )
    history = list(Transition.objects.filter(payment_id=payment.pk).order_by("at", "id"))
    present = shown(payment)
    steps = [
        {"state": "done", "title": str(table[row.after][0]), "words": "", "at": row.at}
        for row in history
    ]
    if steps:
        steps[-1] |= {"words": present.words, "state": "now" if present.is_waiting else "done"}
    return steps


def refusal_text(code: str, data: Mapping[str, str | int | bool | None]) -> str:
    """Plain words for a refusal of a deposit or withdrawal."""
    own = _REFUSALS.get(code)
    return str(own) if own is not None else compliance_wording.refusal_text(code, data)


def begun_text() -> str:
    """Told after a withdrawal was asked for."""
    return _("Your withdrawal is on its way. The money has left your playing balance.")

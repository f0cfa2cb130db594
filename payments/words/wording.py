"""What a player reads at the cashier beside its payments: refusals with their remedy, what is held,
what is owed, and the lines of a statement. A payment itself is explained by `explaining`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance import wording as compliance_wording
from ledger.postings import TransferKind

_REFUSALS: Final = {
    "key_reused": gettext_lazy("This form was used already. Load the page again."),
    "withdrawal_key_reused": gettext_lazy("This form was used already. Load the page again."),
    "too_many_failures": gettext_lazy(
        "Several payments failed in a short time. Wait ten minutes, then try again."
    ),
    "too_many_open": gettext_lazy(
        "You have %(open_max)s deposits open already. Finish or cancel one of them under “Under"
        " way”; each ends by itself within %(minutes)s minutes. Nothing was charged."
    ),
    "limits_not_asked": gettext_lazy("How much do you want to pay in at most?"),
    "unknown_instrument": gettext_lazy("This card or account is not saved with us any more."),
    "deposit_not_accepted": gettext_lazy(
        "We cannot take this payment. Nothing was charged. Open a case if you want to ask."
    ),
    "deposit_too_large": gettext_lazy("That is more than can be paid in at once."),
    "not_enough": gettext_lazy("Your balance does not cover that. Nothing was taken."),
    "provider_not_connected": gettext_lazy(
        "No payment provider is connected at the moment. Nothing was charged."
    ),
}


#: A line of a statement of a player's cash: the value of its transfer's kind → what it was.
_LINES: Final = {
    "stake": gettext_lazy("Bet"),
    "stake_undo": gettext_lazy("Bet taken back"),
    "payout": gettext_lazy("Paid for a bet"),
    "refund": gettext_lazy("Bet returned"),
    "deposit": gettext_lazy("Deposit"),
    "deposit_reversal": gettext_lazy("Deposit that went back to its source"),
    "withdrawal_hold": gettext_lazy("Withdrawal"),
    "withdrawal_release": gettext_lazy("Withdrawal that was not paid"),
    "withdrawal_returned": gettext_lazy("Withdrawal that your bank sent back"),
    "chargeback": gettext_lazy("Deposit that your bank disputed"),
    "debt_settled": gettext_lazy("Taken for what you owed us"),
    "correction": gettext_lazy("Correction of a round"),
    "suspense": gettext_lazy("Money that had been set aside"),
    "adjustment": gettext_lazy("Adjustment by us"),
}
_LINE_OTHER: Final = gettext_lazy("Other")


def line_text(kind: TransferKind) -> str:
    """What a line of a statement was, in plain words."""
    return str(_LINES.get(kind.value, _LINE_OTHER))


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


def refusal_text(code: str, data: Mapping[str, str | int | bool | None]) -> str:
    """Plain words for a refusal of a deposit or withdrawal."""
    own = _REFUSALS.get(code)
    return str(own) % data if own is not None else compliance_wording.refusal_text(code, data)


def removed_text() -> str:
    """Told after a saved card or wallet was removed."""
    return _("Removed. What you paid with it stays in your payments.")


def begun_text() -> str:
    """Told after a withdrawal was asked for."""
    return _("Your withdrawal is on its way. The money has left your playing balance.")

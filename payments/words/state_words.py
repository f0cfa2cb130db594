"""Each state of a payment in plain words: what happened, what is awaited, from whom, what to do.

A table a direction, one row a state, so that no state can lack an answer (a test asks all of them,
in every language). By when is a time, not a word: `payments.states` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from payments.states import DepositState, WithdrawalState

_D, _W = DepositState, WithdrawalState


class Whom(StrEnum):
    """Who has to do the next thing."""

    NOBODY = "nobody"
    YOU = "you"
    BANK = "bank"
    PROVIDER = "provider"
    US = "us"


#: Who it is, as "from whom"; and the step of the timeline that waits for them.
WHOM: Final[dict[Whom, tuple[Any, Any]]] = {
    Whom.NOBODY: (_("Nobody: it is finished"), _("Finished")),
    Whom.YOU: (_("You"), _("Waiting for you")),
    Whom.BANK: (_("Your bank"), _("Waiting for your bank")),
    Whom.PROVIDER: (_("The payment provider"), _("Waiting for the payment provider")),
    Whom.US: (_("Us"), _("Waiting for us")),
}


_NOTHING_MORE: Final = _("Nothing more.")


@dataclass(frozen=True, slots=True)
class Words:
    """One state. ``name`` is the badge's, ``event`` its line in the history once it was reached."""

    name: Any
    badge: str
    event: Any
    happened: Any
    can_do: Any
    awaited: Any = _NOTHING_MORE
    whom: Whom = Whom.NOBODY
    #: Whether the way ends here otherwise than its player wanted.
    stops: bool = False


_NOTHING_TO_DO: Final = _("You need to do nothing.")
_DO_NOT_PAY_TWICE: Final = _(
    "Do not pay a second time. What left your bank is put into your balance or goes back."
)
_AGAIN: Final = _("You can start a new deposit.")
_ASK_US: Final = _("If something is wrong with it, ask us about this payment.")
_OPEN_A_CASE: Final = _("If you do not agree, open a case.")

DEPOSITS: Final[dict[DepositState, Words]] = {
    _D.CREATED: Words(
        _("Begun"),
        "pending",
        _("You asked to pay in"),
        _("You asked to pay in. Nothing was charged yet."),
        _("You need to do nothing: the payment page opens by itself."),
        _("The payment page."),
        Whom.PROVIDER,
    ),
    _D.UNKNOWN: Words(
        _("Checking"),
        "pending",
        _("The payment provider did not answer"),
        _("The payment provider did not answer in time: it may or may not have happened."),
        _DO_NOT_PAY_TWICE,
        _("Its answer. We ask again by ourselves."),
        Whom.PROVIDER,
    ),
    _D.REQUIRES_ACTION: Words(
        _("Waiting for you"),
        "pending",
        _("The payment page was opened"),
        _("The payment page is open for you. Nothing was charged yet."),
        _("Go on with the payment page, or leave it: unfinished, it ends by itself."),
        _("That you pay there, and confirm it with your bank where it asks you to."),
        Whom.YOU,
    ),
    _D.PROCESSING: Words(
        _("On its way"),
        "pending",
        _("You paid"),
        _("You paid, and your bank is confirming the payment."),
        _NOTHING_TO_DO,
        _("Your bank's confirmation."),
        Whom.BANK,
    ),
    _D.SUCCEEDED: Words(
        _("Paid in"), "good", _("In your balance"), _("It is in your balance."), _ASK_US
    ),
    _D.FAILED: Words(
        _("Not paid"),
        "stop",
        _("The payment was declined"),
        _("The payment was declined. Nothing was charged."),
        _AGAIN,
        stops=True,
    ),
    _D.CANCELED: Words(
        _("Cancelled"),
        "off",
        _("The payment was cancelled"),
        _("The payment was cancelled before it was made. Nothing was charged."),
        _AGAIN,
        stops=True,
    ),
    _D.EXPIRED: Words(
        _("Ran out"),
        "off",
        _("The time to pay ran out"),
        _("The payment page was not finished in time. Nothing was charged."),
        _AGAIN,
        stops=True,
    ),
    _D.REFUND_DUE: Words(
        _("Going back to you"),
        "pending",
        _("The money came and goes back"),
        _("Your money came, but it may not be played, so it goes back to where it came from."),
        _NOTHING_TO_DO,
        _("That it is back at its source."),
        Whom.PROVIDER,
    ),
    _D.REFUNDED: Words(
        _("Returned"),
        "off",
        _("Gone back to its source"),
        _("It went back to where it came from. Banks show it within five working days."),
        _("If your bank does not show it after five working days, ask us about this payment."),
    ),
    _D.DISPUTED: Words(
        _("Disputed"),
        "pending",
        _("Your bank asked for it back"),
        _("Your bank asked for this payment back, and the payment provider took it from us."),
        _(
            "If you did not ask your bank for this, tell your bank and us. Withdrawals wait till"
            " then."
        ),
        _("Your bank's decision."),
        Whom.BANK,
    ),
    _D.WON: Words(
        _("Dispute closed"),
        "off",
        _("The dispute ended: the payment stands"),
        _("The dispute is over, and the payment stands."),
        _OPEN_A_CASE,
    ),
    _D.LOST: Words(
        _("Charged back"),
        "off",
        _("Your bank took it back"),
        _("Your bank took the payment back for good."),
        _OPEN_A_CASE,
        stops=True,
    ),
}

WITHDRAWALS: Final[dict[WithdrawalState, Words]] = {
    _W.REQUESTED: Words(
        _("Asked for"),
        "pending",
        _("You asked for it"),
        _("You asked for it, and the money left your playing balance."),
        _NOTHING_TO_DO,
        _("Our check."),
        Whom.US,
    ),
    _W.RISK_REVIEW: Words(
        _("Being checked"),
        "pending",
        _("Our check began"),
        _("The money left your playing balance and is set aside for you."),
        _("You need to do nothing. If we need something from you, we write to you."),
        _("Our check that it goes to you and to nobody else."),
        Whom.US,
    ),
    _W.APPROVED: Words(
        _("Approved"),
        "pending",
        _("Approved"),
        _("We approved it."),
        _NOTHING_TO_DO,
        _("That we hand it to the payment provider."),
        Whom.US,
    ),
    _W.UNKNOWN: Words(
        _("Checking"),
        "pending",
        _("The payment provider did not answer"),
        _("We handed it over, and the payment provider did not answer in time."),
        _("You need to do nothing. It is paid to you, or the money is back in your balance."),
        _("Its answer. We ask again by ourselves."),
        Whom.PROVIDER,
    ),
    _W.SUBMITTED: Words(
        _("Sent"),
        "pending",
        _("Handed to the payment provider"),
        _("The payment provider has it."),
        _NOTHING_TO_DO,
        _("That the payment provider sends it to your bank."),
        Whom.PROVIDER,
    ),
    _W.IN_TRANSIT: Words(
        _("On its way to your bank"),
        "pending",
        _("Sent to your bank"),
        _("Your bank has it. Banks take up to two working days."),
        _NOTHING_TO_DO,
        _("That your bank puts it on your account."),
        Whom.BANK,
    ),
    _W.PAID: Words(
        _("Paid"),
        "good",
        _("Paid to you"),
        _("It was paid to you."),
        _("If your bank does not show it after two working days, ask us about this payment."),
    ),
    _W.REJECTED: Words(
        _("Not approved"),
        "stop",
        _("Not approved"),
        _("We did not approve it. The money is back in your balance."),
        _("Open a case if you want to ask. You can ask for another withdrawal at any time."),
        stops=True,
    ),
    _W.FAILED: Words(
        _("Not paid"),
        "stop",
        _("It could not be paid"),
        _("The payment could not be made. The money is back in your balance."),
        _("You can ask for another withdrawal at any time."),
        stops=True,
    ),
    _W.RETURNED: Words(
        _("Came back"),
        "stop",
        _("Your bank sent it back"),
        _("Your bank sent it back. The money is in your balance again."),
        _("Look at the account that we paid to, then ask for another withdrawal."),
        stops=True,
    ),
}

#: What a waiting payment still has before it, where all goes well.
DEPOSIT_AHEAD: Final[dict[DepositState, tuple[DepositState, ...]]] = {
    _D.CREATED: (_D.SUCCEEDED,),
    _D.UNKNOWN: (_D.SUCCEEDED,),
    _D.REQUIRES_ACTION: (_D.SUCCEEDED,),
    _D.PROCESSING: (_D.SUCCEEDED,),
    _D.REFUND_DUE: (_D.REFUNDED,),
    _D.DISPUTED: (),  # either way
}
WITHDRAWAL_AHEAD: Final[dict[WithdrawalState, tuple[WithdrawalState, ...]]] = {
    _W.REQUESTED: (_W.APPROVED, _W.IN_TRANSIT, _W.PAID),
    _W.RISK_REVIEW: (_W.APPROVED, _W.IN_TRANSIT, _W.PAID),
    _W.APPROVED: (_W.IN_TRANSIT, _W.PAID),
    _W.UNKNOWN: (_W.IN_TRANSIT, _W.PAID),
    _W.SUBMITTED: (_W.IN_TRANSIT, _W.PAID),
    _W.IN_TRANSIT: (_W.PAID,),
}

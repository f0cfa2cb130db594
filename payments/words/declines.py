"""Why a payment was not made, in plain words, and what its payer can do about it.

Providers and banks answer with codes of their own; each that people meet often is listed here
under the words that it means, and every other one gets the general words. What hints at a suspicion
of the bank (a lost, stolen or watched card) reads like any refusal: the bank tells its customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Why:
    """``happened``: the reason in one sentence. ``can_do``: what helps."""

    happened: Any
    can_do: Any


_GENERAL: Final = Why(
    _("Your bank or the payment provider refused it and did not say why."),
    _("Ask your bank, or pay in another way."),
)
_NOT_ENOUGH: Final = Why(
    _("There was not enough money on the card or account."),
    _("Pay in a smaller amount, or in another way."),
)
_EXPIRED_CARD: Final = Why(
    _("The card has expired."),
    _("Use another card."),
)
_DETAILS: Final = Why(
    _("The details that were entered do not belong to a card that works."),
    _("Try again and look at the number, the date and the code, or use another card."),
)
_NOT_PROVED: Final = Why(
    _("Your bank asked you to confirm the payment, and that did not happen."),
    _("Try again and confirm it in your bank's app or by its code."),
)
_NOT_FOR_PLAY: Final = Why(
    _("This card or account may not be used for payments to a casino, or not in this country."),
    _("Your bank sets that. Pay in another way if you wish."),
)
_TOO_OFTEN: Final = Why(
    _("Your bank's own limit for this card is used up for now."),
    _("Try again tomorrow, or ask your bank."),
)
_TECHNICAL: Final = Why(
    _("Something went wrong between the payment provider and your bank."),
    _("Try again in a few minutes."),
)
_CURRENCY: Final = Why(
    _("The card or account does not take this currency."),
    _("Pay in another way."),
)
_NO_ACCOUNT: Final = Why(
    _("The account does not exist any more, or takes no payments."),
    _("Use an account in your name that is open."),
)
_SOURCE_GONE: Final = Why(
    _("The deposit that it was to go back to has gone back already, or your bank disputes it."),
    _("Ask for another withdrawal: it then goes another way."),
)
_ACCOUNT_GONE: Final = Why(
    _("The account that it was to go to is not one of yours any more."),
    _("Choose another account and ask for another withdrawal."),
)
_LEFT: Final = Why(
    _("The payment was stopped on the payment page."),
    _("Nothing, or start a new deposit."),
)

_WORDS: Final[tuple[tuple[Why, tuple[str, ...]], ...]] = (
    (_NOT_ENOUGH, ("insufficient_funds", "not_enough_funds", "insufficient_balance")),
    (_EXPIRED_CARD, ("expired_card", "card_expired")),
    (
        _DETAILS,
        (
            *(
                "incorrect_number",
                "invalid_number",
                "incorrect_cvc",
                "invalid_cvc",
                "incorrect_zip",
            ),
            *("invalid_expiry_month", "invalid_expiry_year", "invalid_card", "incorrect_pin"),
        ),
    ),
    (
        _NOT_PROVED,
        (
            *("authentication_required", "authentication_failed", "authentication_abandoned"),
            *("payment_intent_authentication_failure", "3ds_failed", "3ds_abandoned"),
            *("challenge_failed", "challenge_abandoned", "not_authenticated"),
        ),
    ),
    (
        _NOT_FOR_PLAY,
        (
            *("transaction_not_allowed", "not_permitted", "service_not_allowed", "restricted_card"),
            *("card_not_supported", "gambling_blocked"),
        ),
    ),
    (
        _TOO_OFTEN,
        (
            *("card_velocity_exceeded", "withdrawal_count_limit_exceeded", "limit_exceeded"),
            *("amount_too_large",),
        ),
    ),
    (
        _TECHNICAL,
        (
            *("processing_error", "issuer_not_available", "try_again_later", "reenter_transaction"),
            *("provider_error",),
        ),
    ),
    (_CURRENCY, ("currency_not_supported",)),
    (
        _NO_ACCOUNT,
        (
            *("account_closed", "invalid_account", "no_account", "account_frozen", "bank_closed"),
            *("incorrect_account_holder_name", "debit_not_authorized", "could_not_process"),
        ),
    ),
    (_SOURCE_GONE, ("deposit_gone_back",)),
    (_ACCOUNT_GONE, ("payout_account_gone", "no_route")),
    (_LEFT, ("abandoned", "requested_by_customer", "canceled_by_payer")),
)
_BY_CODE: Final = {code: why for why, codes in _WORDS for code in codes}
#: The codes that have words of their own.
CODES: Final = tuple(_BY_CODE)


def why(code: str) -> Why:
    """What ``code`` of a provider means; general words for one that nobody listed."""
    return _BY_CODE.get(code.strip().lower(), _GENERAL)


#: Why people did not approve a withdrawal, where its player is told; also what ended a part.
_NOT_APPROVED: Final[dict[str, Why]] = {
    "not_approved_verify": Why(
        _("We need your age and identity verified first."),
        _("Finish the checks under your account, then ask for another withdrawal."),
    ),
    "not_approved_other_way": Why(
        _("We cannot pay to where it was to go."),
        _("Ask for another withdrawal, to another account of yours."),
    ),
    "deposit_gone_back": _SOURCE_GONE,
    "payout_account_gone": _ACCOUNT_GONE,
}


def why_not_approved(code: str) -> Why | None:
    """What is told of a withdrawal that was not approved beside that; None where nothing is."""
    return _NOT_APPROVED.get(code)


#: Why money that came may not be played, by the gate's code; others get the general words.
_GOES_BACK: Final[dict[str, Any]] = {
    "excluded": _("You excluded yourself from play before the money came."),
    "cooling_off": _("You were taking a break when the money came."),
    "closed": _("Your account was closed when the money came."),
    "deposit_limit": _("It would have gone above your deposit limit."),
    "net_deposit_limit": _("It would have gone above your net pay-in limit."),
    "balance_limit": _("It would have gone above your balance limit."),
    "too_many_failures": _("Too many of your payments had failed shortly before it."),
    "another_amount": _("Another amount came than you had asked to pay in."),
}
_GOES_BACK_GENERAL: Final = _("It came when it could not be taken any more.")


def why_it_goes_back(code: str) -> Any:
    """Why a deposit that came is returned, in one sentence."""
    return _GOES_BACK.get(code, _GOES_BACK_GENERAL)

"""What a player reads about where a withdrawal goes, when it arrives, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kernel.money import SCALES, Money
from payments import wording
from payments.models import Instrument, Withdrawal
from payments.payout_plan import PlannedPart
from payments.providers.protocol import InstrumentKind, PayoutRoute
from payments.states import WITHDRAWAL_WAITS

#: From the request to the end of every state that waits, one after the other.
ARRIVES_WITHIN: Final = sum(WITHDRAWAL_WAITS.values(), timedelta(0))

_REFUSALS: Final = {
    "payout_account_needed": gettext_lazy(
        "%(amount)s of it cannot go back to where it came from. Add a bank account in your own name"
        " for that part, or withdraw less."
    ),
    "below_payout_minimum": gettext_lazy("The least that can be paid out is %(amount)s."),
    "too_many_payout_parts": gettext_lazy(
        "That would leave in too many parts at once. Withdraw at most %(amount)s now and the rest"
        " afterwards."
    ),
    "payout_account_unknown": gettext_lazy("Choose one of your verified accounts."),
    "withdrawal_deposit_changed": gettext_lazy(
        "One of your deposits changed at this very moment. Nothing was taken; look once more."
    ),
    "bad_iban": gettext_lazy("This is no IBAN. Compare it with your bank card or statement."),
    "payout_country": gettext_lazy("We do not pay to accounts of this country."),
    "payout_name_not_verified": gettext_lazy(
        "We pay only to accounts in your own name, so verify your identity first."
    ),
    "too_many_payout_accounts": gettext_lazy("You have five accounts. Remove one first."),
    "payout_account_not_taken": gettext_lazy("The payment provider does not pay to this account."),
    "payout_account_no_answer": gettext_lazy(
        "The payment provider did not answer. Try again; nothing is added twice."
    ),
    "payout_account_in_use": gettext_lazy(
        "Money is on its way to this account. Remove it when that has ended."
    ),
}


def refusal_text(code: str, data: Mapping[str, Any]) -> str:
    """Plain words for a refusal of a withdrawal or of an account, with its remedy."""
    own = _REFUSALS.get(code)
    if own is None:
        return wording.refusal_text(code, data)
    minor, currency = data.get("minor"), data.get("currency")
    if isinstance(minor, int) and currency in SCALES:
        return str(own) % {"amount": f"{Money(minor, str(currency)).decimal()} {currency}"}
    return str(own)


def target_text(part: PlannedPart | Withdrawal) -> str:
    """Where a part goes: the deposit's card, or the account."""
    if part.route == PayoutRoute.REFUND:
        return _back_text(part.instrument)
    return "" if part.instrument is None else account_text(part.instrument)


def _back_text(instrument: Instrument | None) -> str:
    if instrument is None or not instrument.last4:
        return _("Back to how you paid in")
    named = {"name": instrument.brand or _("card"), "last4": instrument.last4}
    if instrument.kind == InstrumentKind.CARD:
        return _("Back to your %(name)s card ending %(last4)s") % named
    return _("Back to %(name)s … %(last4)s, with which you paid in") % named


def account_text(account: Instrument) -> str:
    """An account as its owner knows it."""
    named = {"country": account.country, "last4": account.last4}
    return _("Bank account %(country)s … %(last4)s") % named


def state_of(account: Instrument, now: datetime) -> tuple[str, str]:
    """Look of the badge and its word: whether an account is paid to, and what is awaited."""
    if account.verified_at is None:
        return "pending", _("We are checking the name")
    if account.usable_from is not None and account.usable_from > now:
        return "pending", _("Not yet: for your safety")
    return "good", _("Verified")

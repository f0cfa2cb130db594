"""What a player reads about where a withdrawal goes, when it arrives, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance.wording import amount_text
from kernel.money import SCALES, Money
from payments.models import Instrument
from payments.paying_out.payout_plan import PlannedPart
from payments.providers.protocol import PayoutRoute
from payments.states import WITHDRAWAL_WAITS
from payments.words import wording
from payments.words.explaining import method_text

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
        return str(own) % {"amount": amount_text(Money(minor, str(currency)))}
    return str(own)


def target_text(part: PlannedPart) -> str:
    """Where a part goes: back to the deposit's instrument, or onto the account."""
    if part.route is PayoutRoute.ACCOUNT:
        return "" if part.instrument is None else account_text(part.instrument)
    paid_with = method_text(part.instrument)
    if not paid_with:
        return _("Back to how you paid in")
    return _("Back to %(name)s, with which you paid in") % {"name": paid_with}


def account_text(account: Instrument) -> str:
    """An account as its owner knows it: ``Bank account •• 3000 (DE)``."""
    return f"{method_text(account)} ({account.country})"


def state_of(account: Instrument, now: datetime) -> tuple[str, str]:
    """Look of the badge and its word: whether an account is paid to, and what is awaited."""
    if account.verified_at is None:
        return "pending", _("We are checking the name")
    if account.usable_from is not None and account.usable_from > now:
        return "pending", _("Not yet: for your safety")
    return "good", _("Verified")

"""One payment as its player sees it: what happened, what is awaited, from whom, by when, what they
can do; and its history with what is still ahead.

The words stand in `state_words` and `declines` beside it; whoever shows a payment, on a page, in a
message, by the API or at the support desk, asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.models import Deposit, Instrument, Transition, Withdrawal
from payments.providers.protocol import InstrumentKind
from payments.states import DEPOSIT_WAITS, WITHDRAWAL_WAITS, DepositState, WithdrawalState
from payments.words import declines
from payments.words.state_words import (
    DEPOSIT_AHEAD,
    DEPOSITS,
    WHOM,
    WITHDRAWAL_AHEAD,
    WITHDRAWALS,
    Whom,
    Words,
)

_KINDS: Final = {
    InstrumentKind.CARD: gettext_lazy("Card"),
    InstrumentKind.BANK_ACCOUNT: gettext_lazy("Bank account"),
    InstrumentKind.WALLET: gettext_lazy("Wallet"),
}
#: States that carry a provider's or a bank's reason for what did not happen.
_REASONED: Final = {"failed", "returned"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One payment with its five answers, in the reader's language.

    ``words`` (what happened), ``awaited``, ``whom``, ``by_when`` and ``can_do`` are never empty:
    ``by_when`` is the promised time while something is awaited, and when it was over afterwards.
    ``expected_by`` is None once nothing is awaited. ``is_late``: the promised time is over.
    ``method`` says with what was paid, or where it is paid, where that is known; ``part`` which
    part of one request of the player's a withdrawal is; ``case`` is the case about it, if one was.
    """

    id: UUID
    direction: str
    amount_minor: int
    currency: str
    state: str
    name: str
    badge: str
    words: str
    awaited: str
    whom: str
    by_when: datetime
    can_do: str
    created_at: datetime
    changed_at: datetime
    expected_by: datetime | None
    is_waiting: bool
    is_late: bool
    is_yours: bool
    refunded_minor: int
    method: str
    case: str
    part: int

    @property
    def signed_minor(self) -> int:
        """What it is to the balance: plus in, minus out."""
        return self.amount_minor if self.direction == "deposit" else -self.amount_minor


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline; ``state`` is "done", "stopped", "now" or "next"."""

    state: str
    title: str
    words: str
    at: datetime | None


def shown(payment: Deposit | Withdrawal, now: datetime) -> Shown:
    """``payment`` as it stands at ``now``."""
    known = words_of(payment)
    waiting = is_waiting(payment)
    due = payment.expected_by if waiting else None
    happened, can_do = _told(payment, known)
    is_late = due is not None and due < now
    if is_late and known.whom is not Whom.YOU:
        can_do = _late(payment.case_reference)
    refunded = payment.refunded_minor if isinstance(payment, Deposit) else 0
    return Shown(
        id=payment.pk,
        direction=direction_of(payment),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        state=payment.state,
        name=str(known.name),
        badge=known.badge,
        words=happened,
        awaited=str(known.awaited),
        whom=str(WHOM[known.whom][0]),
        by_when=due or payment.changed_at,
        can_do=can_do,
        created_at=payment.created_at,
        changed_at=payment.changed_at,
        expected_by=due,
        is_waiting=waiting,
        is_late=is_late,
        is_yours=known.whom is Whom.YOU,
        refunded_minor=refunded,
        method=method_text(_instrument(payment)),
        case=payment.case_reference,
        part=payment.part if isinstance(payment, Withdrawal) else 1,
    )


def timeline(payment: Deposit | Withdrawal) -> list[Step]:
    """What happened, oldest first; the wait that is on; and what follows it if all goes well."""
    known = words_of(payment)
    history = Transition.objects.filter(payment_id=payment.pk).order_by("at", "id")
    steps = [
        Step("stopped" if event.stops else "done", str(event.event), _event_words(row), row.at)
        for row in history
        for event in [_of_state(direction_of(payment), row.after)]
    ]
    if not is_waiting(payment):
        return steps
    steps.append(Step("now", str(WHOM[known.whom][1]), str(known.awaited), None))
    ahead = _ahead(payment)
    steps += [Step("next", str(one.event), "", None) for one in ahead[:-1]]
    if ahead:
        told = _("You get a message here and by e-mail.")
        steps.append(Step("next", str(ahead[-1].event), told, None))
    return steps


def told(direction: str, state: str, reason: str) -> str:
    """What happened, in a sentence or two, for messages: they know no payment, only its facts."""
    return _happened(_of_state(direction, state), state, reason)


def reason_told(state: str, reason: str) -> str:
    """The reason of a state where it is the player's to know, else nothing."""
    is_told = state == DepositState.REFUND_DUE or _why(state, reason) is not None
    return reason if is_told else ""


def direction_of(payment: Deposit | Withdrawal) -> str:
    """The word for which way it goes: deposit or withdrawal."""
    return "deposit" if isinstance(payment, Deposit) else "withdrawal"


def is_waiting(payment: Deposit | Withdrawal) -> bool:
    """Whether something is still awaited, from whomever."""
    if isinstance(payment, Deposit):
        return DepositState(payment.state) in DEPOSIT_WAITS
    return WithdrawalState(payment.state) in WITHDRAWAL_WAITS


def words_of(payment: Deposit | Withdrawal) -> Words:
    """The words of its present state."""
    return _of_state(direction_of(payment), payment.state)


def method_text(instrument: Instrument | None) -> str:
    """With what was paid, as its owner knows it: ``Visa •• 4242``; empty where nobody said."""
    if instrument is None:
        return ""
    brand = instrument.brand.replace("_", " ")  # some providers write small letters alone: "visa"
    brand = brand.title() if brand.islower() else brand
    name = brand or _KINDS[InstrumentKind(instrument.kind)]
    return f"{name} •• {instrument.last4}" if instrument.last4 else str(name)


def _late(case: str) -> str:
    if not case:
        return _("You need to do nothing: it is late, and we are looking into it ourselves.")
    return _(
        "You need to do nothing: it is late, and we are looking into it ourselves, in case"
        " %(case)s."
    ) % {"case": case}


def _instrument(payment: Deposit | Withdrawal) -> Instrument | None:
    if isinstance(payment, Deposit):
        return payment.instrument
    deposit = payment.source_deposit
    return deposit.instrument if deposit is not None else payment.instrument


def _of_state(direction: str, state: str) -> Words:
    if direction == "deposit":
        return DEPOSITS[DepositState(state)]
    return WITHDRAWALS[WithdrawalState(state)]


def _ahead(payment: Deposit | Withdrawal) -> list[Words]:
    if isinstance(payment, Deposit):
        return [DEPOSITS[one] for one in DEPOSIT_AHEAD[DepositState(payment.state)]]
    return [WITHDRAWALS[one] for one in WITHDRAWAL_AHEAD[WithdrawalState(payment.state)]]


def _told(payment: Deposit | Withdrawal, known: Words) -> tuple[str, str]:
    """What happened and what can be done, with the reason where there is one for the player."""
    happened = _happened(known, payment.state, payment.reason)
    why = _why(payment.state, payment.reason)
    if why is not None:
        return happened, str(why.can_do)
    return happened, str(known.can_do)


def _why(state: str, reason: str) -> declines.Why | None:
    if state == WithdrawalState.REJECTED:
        return declines.why_not_approved(reason)
    return declines.why(reason) if state in _REASONED and reason else None


def _happened(known: Words, state: str, reason: str) -> str:
    why = _why(state, reason)
    if why is not None:
        return f"{why.happened} {known.happened}"
    if state == DepositState.REFUND_DUE and reason:
        return f"{declines.why_it_goes_back(reason)} {known.happened}"
    return str(known.happened)


def _event_words(row: Transition) -> str:
    """Why, where the history has a reason that is the player's to know."""
    why = _why(row.after, row.reason)
    if why is not None:
        return str(why.happened)
    if row.after == DepositState.REFUND_DUE and row.reason:
        return str(declines.why_it_goes_back(row.reason))
    return ""

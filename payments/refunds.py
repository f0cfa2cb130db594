"""What of a credited deposit was sent back to its source: by us, or at the provider's own desk.

A provider says how much went back in all by refunds, which a player's own withdrawals into the same
card are not. It is taken from the player's cash, as far as it is there, in however many parts; what
is booked is a running sum, so nothing is booked twice.
"""

from __future__ import annotations

from kernel.ids import Actor
from ledger import chargebacks
from payments import booking
from payments.fraud import review
from payments.models import Deposit
from payments.providers.protocol import DepositReport
from payments.states import CAPTURED, DepositState


class DoesNotFit(Exception):
    """More is said to have gone back than can have."""


def of_report(report: DepositReport, deposit: Deposit) -> int:
    """How much of the deposit went back by this report, in minor units of the deposit."""
    if report.refunded is not None and report.refunded.currency == deposit.currency:
        return report.refunded.minor
    return deposit.amount_minor if report.state is DepositState.REFUNDED else 0


def unbooked(report: DepositReport, deposit: Deposit) -> int:
    """What of a credited deposit is said to have gone back and is not in the books.

    Under the deposit's lock. Raises ``DoesNotFit`` where it is more than is left of the deposit:
    what a bank has taken back, nobody refunds as well.
    """
    if DepositState(deposit.state) not in CAPTURED:
        return 0  # not credited: it goes back whole, or not yet
    minor = of_report(report, deposit) - deposit.reversed_minor
    if minor <= 0:
        return 0
    taken_minor = chargebacks.taken_minor([booking.credit_id(deposit.pk)])
    left_minor = deposit.amount_minor - deposit.refunded_minor - taken_minor
    if minor > left_minor:
        raise DoesNotFit
    return minor


def book(deposit: Deposit, minor: int, actor: Actor) -> None:
    """Take it from the player's cash, and what is not there is owed. The caller saves the row.

    Money of it that is held for review is let go first: it is going back.
    """
    review.let_go(deposit.pk, actor=actor)
    booking.reverse(deposit, minor, actor)
    deposit.refunded_minor += minor
    deposit.reversed_minor += minor


def is_whole(deposit: Deposit) -> bool:
    """Whether all of it went back by refunds."""
    return deposit.reversed_minor == deposit.amount_minor

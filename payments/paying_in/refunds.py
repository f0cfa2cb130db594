"""What of a deposit was sent back to its source: by us, or at the provider's own desk.

A provider says how much went back in all by refunds, which a player's own withdrawals into the same
card are not. It is taken from the player's cash, as far as it is there, or from what was set aside
where it never was the player's; in however many parts. What is booked is a running sum, so nothing
is booked twice.
"""

from __future__ import annotations

from kernel.ids import Actor
from kernel.money import Money
from ledger import chargebacks
from payments import booking
from payments.fraud import review
from payments.models import Deposit
from payments.providers.protocol import DepositReport
from payments.states import CAPTURED, DepositState


class DoesNotFit(Exception):
    """More is said to have gone back than can have."""


def arrived(deposit: Deposit) -> Money:
    """What came, which may be another amount than was asked for."""
    return Money(
        deposit.arrived_minor or deposit.amount_minor, deposit.arrived_currency or deposit.currency
    )


def left(deposit: Deposit) -> Money:
    """What of it has not gone back in any way."""
    came = arrived(deposit)
    return Money(came.minor - deposit.refunded_minor, came.currency)


def of_report(report: DepositReport, deposit: Deposit) -> int:
    """How much of the deposit went back by this report, in minor units of what arrived."""
    came = arrived(deposit)
    if report.refunded is not None and report.refunded.currency == came.currency:
        return report.refunded.minor
    return came.minor if report.state is DepositState.REFUNDED else 0


def unbooked(report: DepositReport, deposit: Deposit) -> int:
    """What of a deposit that came is said to have gone back and is not in the books.

    Under the deposit's lock. Raises ``DoesNotFit`` where it is more than is left of the deposit:
    what a bank has taken back, nobody refunds as well.
    """
    if DepositState(deposit.state) not in {*CAPTURED, DepositState.REFUND_DUE}:
        return 0
    minor = of_report(report, deposit) - _booked_minor(deposit)
    if minor <= 0:
        return 0
    taken_minor = chargebacks.taken_minor([booking.credit_id(deposit.pk)])
    if minor > left(deposit).minor - taken_minor:
        raise DoesNotFit
    return minor


def _booked_minor(deposit: Deposit) -> int:
    """What is booked as gone back by refunds. Of what was set aside, nothing went otherwise."""
    is_aside = deposit.state == DepositState.REFUND_DUE
    return deposit.refunded_minor if is_aside else deposit.reversed_minor


def fell_back(report: DepositReport, deposit: Deposit) -> bool:
    """Whether it says that less went back than is booked: a refund that failed after all.

    The money is at the provider again and gone from the player: people must look.
    """
    told = report.refunded
    if told is None or told.currency != arrived(deposit).currency:
        return False
    if deposit.state == DepositState.REFUNDED:
        return told.minor < (deposit.reversed_minor or deposit.refunded_minor)
    return DepositState(deposit.state) in CAPTURED and told.minor < deposit.reversed_minor


def book(deposit: Deposit, minor: int, actor: Actor) -> None:
    """Take it from the player's cash, and what is not there is owed. The caller saves the row.

    Money of it that is held for review is let go first, since it is going back; what is left stays
    held, and its review open. What was set aside is taken from there.
    """
    if deposit.state == DepositState.REFUND_DUE:
        booking.give_back(deposit, Money(minor, arrived(deposit).currency), actor)
        deposit.refunded_minor += minor
        return
    held = review.let_go(deposit, actor=actor)
    booking.reverse(deposit, minor, actor)
    deposit.refunded_minor += minor
    deposit.reversed_minor += minor
    if held is not None:
        review.hold_again(deposit, held, minor, actor)


def is_whole(deposit: Deposit) -> bool:
    """Whether all of it went back by refunds."""
    return _booked_minor(deposit) == arrived(deposit).minor

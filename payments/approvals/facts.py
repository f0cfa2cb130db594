"""What the rules look at, read from the rows: of the player, and of one request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from accounts.models import Player
from compliance import freezing
from compliance.standing import StandingNow
from kernel.money import Money
from payments.approvals.rules import Facts
from payments.fraud.words import Outcome
from payments.models import Deposit, Instrument, Withdrawal
from payments.states import DepositState, WithdrawalState

#: A deposit of one of these was disputed once, whatever came of it.
_DISPUTED = (DepositState.DISPUTED, DepositState.WON, DepositState.LOST)


def gather(
    standing: StandingNow,
    amount: Money,
    targets: Iterable[Instrument],
    risk: Outcome,
    now: datetime,
) -> Facts:
    """Facts of a request of ``amount`` whose account parts go to ``targets``."""
    player_id = standing.player_id
    paid = Withdrawal.objects.filter(player_id=player_id, state=WithdrawalState.PAID)
    disputes = Deposit.objects.filter(player_id=player_id, state__in=_DISPUTED)
    ages = [now - one.first_seen for one in targets]
    return Facts(
        amount_minor=amount.minor,
        currency=amount.currency,
        player_age=now - Player.objects.values_list("created_at", flat=True).get(pk=player_id),
        paid_before=paid.values("request_id").distinct().count(),
        newest_target=min(ages, default=None),
        risk=risk,
        disputes=disputes.count(),
        is_verified=standing.age_verified and standing.identity_verified,
        is_stopped=freezing.stops_payout(player_id),
    )

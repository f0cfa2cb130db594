"""What the rules look at, read from the rows: of the player, and of one request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, Sum

from accounts.models import Player
from compliance import freezing
from compliance.standing import StandingNow
from kernel.ids import PlayerId
from kernel.money import Money
from payments.approvals.rules import Facts
from payments.fraud.words import Outcome
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_out.payout_plan import OPEN
from payments.providers.protocol import PayoutRoute
from payments.states import OF_DISPUTES, WithdrawalState


def gather(
    standing: StandingNow,
    parts: Sequence[Withdrawal],
    risk: Outcome,
    now: datetime,
    within: timedelta,
) -> Facts:
    """Facts of the request whose ``parts`` these are; the player's others count where they are
    under way or were paid ``within`` this time.
    """
    first = parts[0]
    amount = Money(sum(part.amount_minor for part in parts), first.currency)
    player_id = standing.player_id
    paid = Withdrawal.objects.filter(player_id=player_id, state=WithdrawalState.PAID)
    disputes = Deposit.objects.filter(player_id=player_id, state__in=OF_DISPUTES)
    ages = [
        now - _open_since(part.instrument)
        for part in parts
        if part.route == PayoutRoute.ACCOUNT and part.instrument is not None
    ]
    return Facts(
        amount_minor=amount.minor,
        currency=amount.currency,
        player_age=now - Player.objects.values_list("created_at", flat=True).get(pk=player_id),
        paid_before=paid.values("request_id").distinct().count(),
        newest_target=min(ages, default=None),
        risk=risk,
        disputes=disputes.count(),
        is_verified=standing.is_verified,
        is_stopped=freezing.stops_payout(player_id),
        recent_minor=_recent(player_id, first.request_id, amount.currency, now - within),
    )


def _open_since(account: Instrument) -> datetime:
    """When it could first be paid to since it was last added: added again, it is new again."""
    return max(account.first_seen, account.usable_from or account.first_seen)


def _recent(player_id: PlayerId, request_id: UUID, currency: str, since: datetime) -> int:
    others = Withdrawal.objects.filter(player_id=player_id, currency=currency).exclude(
        request_id=request_id
    )
    counted = others.filter(
        Q(state__in=OPEN) | Q(state=WithdrawalState.PAID, changed_at__gte=since)
    )
    return counted.aggregate(whole=Sum("amount_minor"))["whole"] or 0

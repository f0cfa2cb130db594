"""What is there to pay back to: a player's deposits and accounts, and the plan for an amount.

Reads alone. Whoever acts on a plan holds the player's lock while it is made, and looks at the
deposits once more under theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum

from compliance.standing import StandingNow
from kernel.ids import PlayerId
from kernel.invariant import InvariantBroken
from kernel.money import Money
from payments.approvals.policy import WithdrawalPolicy, withdrawal_policy
from payments.fraud import review
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_out.closed_loop import Funding, Part, Stuck, is_refundable, plan
from payments.providers.protocol import InstrumentKind, PayoutRoute
from payments.states import WITH_US, WITHDRAWAL_WAITS

#: Deposits that are looked at, the oldest first: far more than a request has parts.
FUNDINGS_MAX: Final = 1_000
#: A deposit of which something may go back. A disputed one is the bank's question, not ours.
REFUNDABLE: Final = WITH_US
#: Parts that the house has not brought to an end: their amount is planned and held.
OPEN: Final = tuple(WITHDRAWAL_WAITS)


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part of a request before it is a row: what it is, and by which provider."""

    amount: Money
    route: PayoutRoute
    provider: str
    deposit: Deposit | None
    instrument: Instrument | None


def policy_for(standing: StandingNow, now: datetime) -> WithdrawalPolicy:
    """What holds for this player's withdrawals."""
    return withdrawal_policy(standing.jurisdiction, now.date())


def accounts(player_id: PlayerId) -> QuerySet[Instrument]:
    """The player's accounts that are not removed, the newest first; verified or not."""
    return Instrument.objects.filter(
        player_id=player_id, kind=InstrumentKind.BANK_ACCOUNT, removed_at=None
    ).order_by("-first_seen", "-pk")


def payable(player_id: PlayerId, now: datetime) -> list[Instrument]:
    """Accounts to which money may go now: the player's own, and past their first hours."""
    return list(
        accounts(player_id)
        .filter(verified_at__isnull=False)
        .filter(Q(usable_from=None) | Q(usable_from__lte=now))
    )


def under_way(deposits: Sequence[UUID]) -> dict[UUID, int]:
    """What open withdrawals send back into each deposit, in minor units."""
    rows = (
        Withdrawal.objects.filter(source_deposit__in=deposits, state__in=OPEN)
        .values_list("source_deposit_id")
        .annotate(Sum("amount_minor"))
    )
    return dict(rows.values_list("source_deposit_id", "amount_minor__sum"))


def _deposits(player_id: PlayerId, currency: str) -> list[Deposit]:
    """Under the player's lock none becomes one that is kept back: it is so when it arrives."""
    found = Deposit.objects.filter(
        player_id=player_id,
        currency=currency,
        state__in=REFUNDABLE,
        refunded_minor__lt=F("amount_minor"),
        provider_ref__isnull=False,
    ).exclude(pk__in=review.kept_back(player_id))
    return list(found.select_related("instrument").order_by("created_at", "pk")[:FUNDINGS_MAX])


def plan_for(
    standing: StandingNow, amount: Money, now: datetime, account: UUID | None = None
) -> tuple[PlannedPart, ...] | Stuck:
    """Where ``amount`` goes as things are; ``account`` takes the rest, else the newest payable one.

    An ``account`` that is not payable counts as none.
    """
    policy = policy_for(standing, now)
    own = {one.pk: one for one in payable(standing.player_id, now)}
    rest = account if account is not None else next(iter(own), None)
    deposits = {one.pk: one for one in _deposits(standing.player_id, amount.currency)}
    going = under_way(list(deposits))
    fundings = [
        Funding(
            deposit=one.pk,
            made_at=one.created_at,
            amount_minor=one.amount_minor,
            gone_minor=one.refunded_minor + going.get(one.pk, 0),
            can_refund=is_refundable(one.created_at, now, policy.refund_within.get(one.provider)),
            account=one.instrument_id if one.instrument_id in own else None,
        )
        for one in deposits.values()
    ]
    found = plan(amount.minor, fundings, rest if rest in own else None, policy.loop)
    if isinstance(found, Stuck):
        return found
    return tuple(_planned(part, amount.currency, deposits, own) for part in found)


def _planned(
    part: Part, currency: str, deposits: dict[UUID, Deposit], own: dict[UUID, Instrument]
) -> PlannedPart:
    amount = Money(part.amount_minor, currency)
    if part.deposit is not None:
        source = deposits[part.deposit]
        return PlannedPart(amount, PayoutRoute.REFUND, source.provider, source, source.instrument)
    if part.account is None:
        raise InvariantBroken("a part goes to a deposit or to an account", part=str(part))
    target = own[part.account]
    return PlannedPart(amount, PayoutRoute.ACCOUNT, target.provider, None, target)

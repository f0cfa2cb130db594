"""Asking a provider about a dispute: nothing that was only told is ever believed."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from kernel.ids import Actor, ActorKind
from payments import providers
from payments.disputes import applying
from payments.disputes.models import ProviderDispute
from payments.paying_in import deposits
from payments.providers.protocol import DisputeReport, NotOurs, Provider
from payments.states import DEPOSIT_REVERSALS, DEPOSIT_STEPS, DepositState

#: A dispute says of these that the money came after all.
_MAY_HAVE_COME: Final = frozenset(
    state
    for state in DepositState
    if DepositState.SUCCEEDED in DEPOSIT_STEPS[state] | DEPOSIT_REVERSALS.get(state, frozenset())
)
#: What an event about a dispute came to that is none of our business.
NOT_CONFIRMED = "not_confirmed"


def look(house: Provider, provider_ref: str, *, cause: str) -> tuple[str, DisputeReport | None]:
    """What the provider says of its dispute, applied; what came of it, and what it said.

    Raises ``ProviderUnreachable`` or ``ProviderRejected``; then nothing changed. Outside any
    transaction; repeatable.
    """
    try:
        found = house.find_dispute(provider_ref)
    except NotOurs:
        return NOT_CONFIRMED, None
    if found.provider_ref != provider_ref:
        return NOT_CONFIRMED, None
    _hear_of_the_deposit(found, house.name)
    actor = Actor(ActorKind.PROVIDER, house.name)
    return applying.apply(found, provider=house.name, cause=cause, actor=actor), found


def _hear_of_the_deposit(found: DisputeReport, provider: str) -> None:
    """News overtake each other: what was taken back had come, and we may not have heard of it."""
    deposit = applying.deposit_of(found, provider)
    if deposit is not None and DepositState(deposit.state) in _MAY_HAVE_COME:
        deposits.ask_provider(deposit.pk)


def ask_again(dispute_id: UUID) -> str:
    """Look at an open dispute, whose webhooks may be lost. For the sweep."""
    row = ProviderDispute.objects.get(pk=dispute_id)
    house = providers.provider(row.provider)
    return look(house, row.provider_ref, cause="asked")[0]

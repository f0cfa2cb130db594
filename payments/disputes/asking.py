"""Asking a provider about a dispute: nothing that was only told is ever believed."""

from __future__ import annotations

from uuid import UUID

from kernel.ids import Actor, ActorKind
from payments import providers
from payments.disputes import applying
from payments.disputes.models import ProviderDispute
from payments.providers.protocol import DisputeReport, Provider, ProviderRejected

#: What an event about a dispute came to when the provider does not know it.
NOT_CONFIRMED = "not_confirmed"


def look(house: Provider, provider_ref: str, *, cause: str) -> tuple[str, DisputeReport | None]:
    """What the provider says of its dispute, applied; what came of it, and what it said.

    Raises ``ProviderUnreachable``; then nothing changed. Outside any transaction; repeatable.
    """
    try:
        found = house.find_dispute(provider_ref)
    except ProviderRejected:
        return NOT_CONFIRMED, None
    if found.provider_ref != provider_ref:
        return NOT_CONFIRMED, None
    actor = Actor(ActorKind.PROVIDER, house.name)
    return applying.apply(found, provider=house.name, cause=cause, actor=actor), found


def ask_again(dispute_id: UUID) -> str:
    """Look at an open dispute, whose webhooks may be lost. For the sweep."""
    row = ProviderDispute.objects.get(pk=dispute_id)
    house = providers.provider(row.provider)
    return look(house, row.provider_ref, cause="asked")[0]

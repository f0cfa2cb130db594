"""Messages of providers that never came: asked for, and kept as if they had come.

Waiting payments are polled, and need no message. What has ended is not: that a paid withdrawal came
back, or a deposit is disputed, is said once. So what a provider says it has sent is looked through
and what is missing here is put where webhooks are put; the next sweep applies it.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from django.db import DataError

from audit.canonical import storable
from audit.database_clock import database_now
from payments import providers
from payments.messages import provider_events
from payments.models import EventPosition, ProviderEvent
from payments.providers.protocol import (
    BadWebhook,
    EventLog,
    ProviderRejected,
    ProviderUnreachable,
)

log = structlog.get_logger(__name__)

#: Answers of one provider that one run looks through; the next run goes on from there.
PAGES_MAX: Final = 100


def catch_up() -> int:
    """Keep every message that did not come; returns how many. Repeatable; several may run at once.

    A provider that does not answer is left to the next run.
    """
    kept = 0
    for name in providers.NAMES:
        house: object = providers.provider(name) if providers.is_connected(name) else None
        if not isinstance(house, EventLog):
            continue
        try:
            kept += _catch_up_with(house)
        except (ProviderUnreachable, ProviderRejected) as error:
            log.warning("events_not_told", provider=name, error=str(error))
    return kept


def _catch_up_with(house: EventLog) -> int:
    row, _ = EventPosition.objects.get_or_create(provider=house.name)
    kept = 0
    for _ in range(PAGES_MAX):
        payloads, position = house.events_after(row.position)
        if not payloads:
            break
        kept += _keep_missing(house, payloads)
        EventPosition.objects.filter(pk=house.name, position=row.position).update(
            position=position, looked_at=database_now()
        )
        row.position = position
    return kept


def _keep_missing(house: EventLog, payloads: list[dict[str, Any]]) -> int:
    named = {str(payload.get("id")): payload for payload in payloads}
    known = ProviderEvent.objects.filter(provider=house.name, event_id__in=named)
    missing = named.keys() - set(known.values_list("event_id", flat=True))
    for event_id, payload in named.items():
        if event_id in missing:
            _keep(house, payload)
    return len(missing)


def _keep(house: EventLog, payload: dict[str, Any]) -> None:
    """One that cannot be kept is left out, or none after it would ever be looked for."""
    provider, kept = providers.provider(house.name), _storable(payload)
    try:
        event_id, news = provider.read(kept)
        provider_events.store(provider, event_id, news, kept)
    except (BadWebhook, DataError) as error:
        log.warning("event_not_kept", provider=house.name, why=str(error)[:120])


def _storable(value: Any) -> Any:
    """The message without characters that PostgreSQL has no place for."""
    if isinstance(value, dict):
        return {storable(str(name)): _storable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return storable(value) if isinstance(value, str) else value

"""Applying what providers said: each event once, and surprises only when confirmed on request."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from django.db import connection

from audit.database_clock import database_now
from kernel.ids import Actor, ActorKind
from payments import providers
from payments.disputes import asking as disputes
from payments.models import Deposit, ProviderEvent, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import withdrawals
from payments.providers.protocol import (
    About,
    DepositReport,
    DisputeReport,
    Ignored,
    Named,
    News,
    NotOurs,
    PayoutReport,
    Provider,
    Report,
    about,
)
from payments.states import Meaning


def store(
    house: Provider, event_id: str, news: News, payload: dict[str, object]
) -> ProviderEvent | None:
    """Keep an event once per provider and id; None when it is there already.

    One that is none of ours is stored as settled: it is acknowledged, and nobody looks again.
    """
    event = ProviderEvent(
        provider=house.name,
        event_id=event_id,
        payment_id=None if isinstance(news, Ignored) else news.payment_id,
        payload=house.keeps(payload),
        outcome=IGNORED if isinstance(news, Ignored) else "",
    )
    with connection.cursor() as cursor:  # one statement: a provider waits for it
        cursor.execute(
            "INSERT INTO payments_providerevent"
            " (id, provider, event_id, payment_id, payload, applied_at, outcome, attempts)"
            " VALUES (%s, %s, %s, %s, %s::jsonb, CASE WHEN %s THEN clock_timestamp() END, %s, 0)"
            " ON CONFLICT (provider, event_id) DO NOTHING",
            [
                *(event.pk, event.provider, event.event_id, event.payment_id),
                *(json.dumps(event.payload), bool(event.outcome), event.outcome),
            ],
        )
        return event if cursor.rowcount else None


def apply_stored(row_id: UUID) -> str:
    """Apply a stored event unless that has been done; returns the outcome. Repeatable.

    A report that our record cannot follow is not believed: the provider is asked, and its answer
    applied. Raises ``ProviderUnreachable`` when it does not answer, or ``ProviderRejected`` when it
    will not; the event then waits.
    """
    event = ProviderEvent.objects.get(pk=row_id)
    if event.applied_at is not None:
        return event.outcome
    house = providers.provider(event.provider)
    _, news = house.read(event.payload)
    match news:
        case Ignored():
            outcome = IGNORED
        case Named():
            outcome = _look(house, news, event)
        case DepositReport() | PayoutReport() | DisputeReport():
            outcome = _apply(house, news, event)
        case _:
            assert_never(news)
    _finish(event, outcome, database_now())
    return outcome


_Payment = DepositReport | PayoutReport

#: The outcome of an event that is none of our payments' business.
IGNORED: Final = "ignored"
#: As long as payments themselves are kept after the end of a relationship.
STRANGERS_YEARS: Final = 5


def forget_strangers() -> int:
    """Blank old events of payments that are nobody's here: no erasure reaches them. Daily."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_providerevent e SET payload = '{}'"
            " WHERE received_at < clock_timestamp() - make_interval(years => %s)"
            " AND applied_at IS NOT NULL AND payload <> '{}'"
            " AND NOT EXISTS (SELECT FROM payments_deposit WHERE id = e.payment_id)"
            " AND NOT EXISTS (SELECT FROM payments_withdrawal WHERE id = e.payment_id)",
            [STRANGERS_YEARS],
        )
        return int(cursor.rowcount)


def _apply(house: Provider, report: Report, event: ProviderEvent) -> str:
    if isinstance(report, DisputeReport):
        return _look_at_dispute(house, report.provider_ref, event)
    actor = _actor(event)
    cause = f"event {event.event_id}"
    table = Deposit if isinstance(report, DepositReport) else Withdrawal
    ours = table.objects.filter(pk=report.payment_id, provider=event.provider).first()
    if ours is None:
        return "unknown_payment"
    meaning = _route(report, cause, actor, confirmed=False)
    if meaning in {Meaning.CONFLICT, Meaning.REVERSAL}:
        try:
            asked = _ask(house, report, ours.provider_ref or report.provider_ref)
        except NotOurs:
            return "not_confirmed"
        meaning = _route(asked, cause, actor, confirmed=True)
    return meaning.value


def _look(house: Provider, news: Named, event: ProviderEvent) -> str:
    """Ask the provider what the event is about, and apply its answer."""
    try:
        if news.about is About.DISPUTE:
            return _look_at_dispute(house, news.provider_ref, event)
        asked: _Payment = (
            house.find_deposit(news.provider_ref)
            if news.about is About.DEPOSIT
            else house.find_payout(news.provider_ref)
        )
    except NotOurs:
        return "not_confirmed"
    event.payment_id = asked.payment_id
    table = Deposit if isinstance(asked, DepositReport) else Withdrawal
    if not table.objects.filter(pk=asked.payment_id, provider=event.provider).exists():
        return "unknown_payment"
    return _route(asked, f"event {event.event_id}", _actor(event), confirmed=True).value


def _look_at_dispute(house: Provider, provider_ref: str, event: ProviderEvent) -> str:
    """A dispute is never believed by its event: the provider is asked, and its answer applied."""
    outcome, said = disputes.look(house, provider_ref, cause=f"event {event.event_id}")
    if said is not None:
        event.payment_id = said.payment_id
    return outcome


def _actor(event: ProviderEvent) -> Actor:
    return Actor(ActorKind.PROVIDER, event.provider)


def _ask(house: Provider, report: _Payment, provider_ref: str) -> _Payment:
    """What the provider says about our payment under the reference that we hold."""
    if isinstance(report, DepositReport):
        return about(report.payment_id, house.find_deposit(provider_ref))
    return about(report.payment_id, house.find_payout(provider_ref))


def _route(report: _Payment, cause: str, actor: Actor, *, confirmed: bool) -> Meaning:
    if isinstance(report, DepositReport):
        return deposits.apply(report, cause=cause, actor=actor, confirmed=confirmed)
    return withdrawals.apply(report, cause=cause, actor=actor, confirmed=confirmed)


def _finish(event: ProviderEvent, outcome: str, at: datetime) -> None:
    ProviderEvent.objects.filter(pk=event.pk, applied_at=None).update(
        applied_at=at, outcome=outcome[:16], payment_id=event.payment_id
    )

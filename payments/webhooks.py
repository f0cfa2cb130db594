"""What providers send us: authenticated, kept once, answered at once, applied afterwards."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from audit.database_clock import database_now
from kernel.clock import SystemClock, epoch_ms
from kernel.ids import Actor, ActorKind
from kernel.refusal import Refused
from payments import deposits, providers, withdrawals
from payments.models import Deposit, ProviderEvent, Withdrawal
from payments.providers.protocol import (
    BadWebhook,
    DepositReport,
    Provider,
    ProviderRejected,
    ProviderUnreachable,
    Report,
)
from payments.states import Meaning

log = structlog.get_logger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024


@csrf_exempt  # authenticated by signature, not by a cookie
@require_POST
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Keep one event of ``provider``: 200 once it is stored, the first time and every time.

    413 above 64 KiB, 404 for a provider we do not have, 400 for a wrong signature or form. Nothing
    is applied here: a task does it, and where the task is lost, the sweep.
    """
    body = _body(request)
    if body is None:
        return JsonResponse({"error": "too_large"}, status=413)
    try:
        house = providers.provider(provider)
        house.authenticate(body, request.headers, epoch_ms(SystemClock().now()) // 1000)
        payload = json.loads(body)
        if not isinstance(payload, dict):
            raise BadWebhook("not an object")
        event_id, _ = house.read(payload)
    except Refused:
        return JsonResponse({"error": "unknown_provider"}, status=404)
    except (BadWebhook, ValueError) as error:
        log.warning("webhook_refused", provider=provider, why=str(error)[:120])
        return JsonResponse({"error": "bad_webhook"}, status=400)
    keep(house, event_id, payload)
    return JsonResponse({"received": True})


def _body(request: HttpRequest) -> bytes | None:
    """The raw bytes, or None above the limit; never more than the limit is read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > BODY_BYTES_MAX:
        return None
    return request.body


def keep(house: Provider, event_id: str, payload: dict[str, object]) -> None:
    """Store an event unless it is there already, and hint a worker once it is committed."""
    try:
        with transaction.atomic():
            event = ProviderEvent.objects.create(
                provider=house.name, event_id=event_id, payload=payload
            )
            transaction.on_commit(partial(_hint, event.pk), robust=True)
    except IntegrityError:
        log.info("webhook_repeated", provider=house.name, event_id=event_id)


def _hint(row_id: UUID) -> None:
    from payments.tasks import apply_event

    try:
        apply_event.apply_async((str(row_id),), retry=False)
    except OperationalError:
        log.warning("webhook_hint_lost", event=str(row_id))


def apply_stored(row_id: UUID) -> str:
    """Apply a stored event unless that has been done; returns the outcome. Repeatable.

    A report that our record cannot follow is not believed: the provider is asked, and its answer
    applied. Raises ``ProviderUnreachable`` when it does not answer; the event then waits.
    """
    event = ProviderEvent.objects.get(pk=row_id)
    if event.applied_at is not None:
        return event.outcome
    house = providers.provider(event.provider)
    _, report = house.read(event.payload)
    outcome = _apply(house, report, event)
    _finish(event.pk, outcome, database_now())
    return outcome


def _apply(house: Provider, report: Report, event: ProviderEvent) -> str:
    actor = Actor(ActorKind.PROVIDER, event.provider)
    cause = f"event {event.event_id}"
    table = Deposit if isinstance(report, DepositReport) else Withdrawal
    ours = table.objects.filter(pk=report.payment_id, provider=event.provider).first()
    if ours is None:
        return "unknown_payment"
    meaning = _route(report, cause, actor, confirmed=False)
    if meaning in {Meaning.CONFLICT, Meaning.REVERSAL}:
        try:
            asked = _ask(house, report, ours.provider_ref or report.provider_ref)
        except ProviderRejected:
            return "not_confirmed"
        meaning = _route(asked, cause, actor, confirmed=True)
    return meaning.value


def _ask(house: Provider, report: Report, provider_ref: str) -> Report:
    """What the provider says about our payment under the reference that we hold."""
    asked: Report = (
        house.find_deposit(provider_ref)
        if isinstance(report, DepositReport)
        else house.find_payout(provider_ref)
    )
    if asked.payment_id != report.payment_id:
        raise ProviderUnreachable("the provider answered about another payment")
    return asked


def _route(report: Report, cause: str, actor: Actor, *, confirmed: bool) -> Meaning:
    if isinstance(report, DepositReport):
        return deposits.apply(report, cause=cause, actor=actor, confirmed=confirmed)
    return withdrawals.apply(report, cause=cause, actor=actor, confirmed=confirmed)


def _finish(row_id: UUID, outcome: str, at: datetime) -> None:
    ProviderEvent.objects.filter(pk=row_id, applied_at=None).update(
        applied_at=at, outcome=outcome[:16]
    )

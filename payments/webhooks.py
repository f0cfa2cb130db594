"""The door for what providers send us: authenticated, kept once, answered at once.

Applying it is another matter (`provider_events`): a task does it, and where it is lost, the sweep.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from kernel.clock import SystemClock, epoch_ms
from kernel.refusal import Refused
from payments import provider_events, providers
from payments.providers.protocol import BadWebhook, News, Provider
from payments.tasks import apply_event

log = structlog.get_logger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024
#: More digits are no length of anything, and Python refuses to read thousands of them.
LENGTH_DIGITS_MAX: Final = 18


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
        event_id, news = house.read(payload)
    except Refused:
        return JsonResponse({"error": "unknown_provider"}, status=404)
    except (BadWebhook, ValueError) as error:
        log.warning("webhook_refused", provider=provider, why=str(error)[:120])
        return JsonResponse({"error": "bad_webhook"}, status=400)
    keep(house, event_id, news, payload)
    return JsonResponse({"received": True})


def _body(request: HttpRequest) -> bytes | None:
    """The raw bytes, or None above the limit; of more, one byte beyond it is read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or len(length) > LENGTH_DIGITS_MAX or int(length) > BODY_BYTES_MAX:
        return None
    body = request.read(BODY_BYTES_MAX + 1)  # whatever was said before, or nothing was
    return None if len(body) > BODY_BYTES_MAX else body


def keep(house: Provider, event_id: str, news: News, payload: dict[str, object]) -> None:
    """Store an event unless it is there already, and hint a worker once it is committed."""
    event = provider_events.store(house, event_id, news, payload)
    if event is None:
        log.info("webhook_repeated", provider=house.name, event_id=event_id)
    elif not event.outcome:
        transaction.on_commit(partial(_hint, event.pk), robust=True)


def _hint(row_id: UUID) -> None:
    try:
        apply_event.apply_async((str(row_id),), retry=False)
    except OperationalError:
        log.warning("webhook_hint_lost", event=str(row_id))

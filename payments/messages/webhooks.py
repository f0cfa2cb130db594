"""The door for what providers send us: authenticated, kept once, answered at once.

Applying it is another matter (`provider_events`): a task does it, and where it is lost, the sweep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from audit.after_commit import hint_after_commit
from kernel.clock import SystemClock, epoch_ms
from kernel.refusal import Refused
from payments import providers
from payments.messages import hints, provider_events
from payments.providers.protocol import BadWebhook, News, Provider

log = structlog.get_logger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024
#: More digits are no length of anything, and Python refuses to read thousands of them.
LENGTH_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider is told: a status, and a word for their logs."""

    status: int
    word: dict[str, object]


@csrf_exempt  # authenticated by signature, not by a cookie
@require_POST
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Keep one event of ``provider``, as :func:`take` does. Servers ask `casino.webhook_door`."""
    body = _body(request)
    answer = TOO_LARGE if body is None else take(provider, body, request.headers)
    return JsonResponse(answer.word, status=answer.status)


def take(provider: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Keep one event of ``provider``: 200 once it is stored, the first time and every time.

    404 for a provider we do not have, 400 for a wrong signature or form, and where nothing could be
    stored it fails, so that the provider sends it again. Nothing is applied here: a task does it,
    and where the task is lost, the sweep. Outside any transaction.
    """
    try:
        house = providers.provider(provider)
        house.authenticate(body, headers, epoch_ms(SystemClock().now()) // 1000)
        payload = json.loads(body)
        if not isinstance(payload, dict):
            raise BadWebhook("not an object")
        event_id, news = house.read(payload)
        keep(house, event_id, news, payload)
    except Refused:
        return Answer(404, {"error": "unknown_provider"})
    except (BadWebhook, ValueError, DataError) as error:
        log.warning("webhook_refused", provider=provider[:32], why=str(error)[:120])
        return Answer(400, {"error": "bad_webhook"})
    return Answer(200, {"received": True})


TOO_LARGE: Final = Answer(413, {"error": "too_large"})


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
        hint_after_commit(_hint, event.pk)


def _hint(row_id: UUID) -> None:
    hints.hint(row_id)

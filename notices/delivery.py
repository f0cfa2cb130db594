"""Sending one delivery, at most one sender at a time, and again after a failure."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F, Q
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.module_loading import import_string

from notices.models import Channel, Delivery, DeliveryState

log = structlog.get_logger(__name__)

#: 10 s, 20 s … one hour: ten attempts span about four hours, longer than a usual outage.
ATTEMPTS_MAX: Final = 10
RETRY_FIRST_S: Final = 10
RETRY_LATEST_S: Final = 3_600
#: A sender that has said nothing for this long is dead (an SMTP conversation has a 30 s timeout).
CLAIM_LASTS: Final = timedelta(minutes=10)
SWEEP_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Address:
    """Where and in which language a person reads."""

    email: str
    language: str


def deliver(delivery_id: UUID) -> DeliveryState | None:
    """Send one delivery if it is due and nobody else is sending it; returns the state it reached.

    Idempotent: claiming is one conditional UPDATE, so a task that runs twice sends once. A sender
    that dies between the mail server's "accepted" and our note is repeated after ``CLAIM_LASTS``:
    such a mail may arrive twice, with the same Message-ID, rather than never. None: not due.
    """
    claimed = (Delivery.objects.filter(_due(), pk=delivery_id, channel=Channel.EMAIL)).update(
        state=DeliveryState.SENDING, attempts=F("attempts") + 1, claimed_at=Now()
    )
    if not claimed:
        return None
    delivery = Delivery.objects.select_related("notice").get(pk=delivery_id)
    address = _address_book()(delivery.notice.person_id)
    if address is None:
        return _note(delivery, DeliveryState.GIVEN_UP, failure="no_address")
    try:
        _compose(delivery, address).send()
    except (smtplib.SMTPException, OSError) as error:
        log.warning("notice_not_sent", delivery_id=str(delivery_id), error=type(error).__name__)
        last = delivery.attempts >= ATTEMPTS_MAX
        state = DeliveryState.GIVEN_UP if last else DeliveryState.WAITING
        return _note(delivery, state, failure=type(error).__name__)
    return _note(delivery, DeliveryState.SENT)


def sweep() -> int:
    """Send what is due and was forgotten, oldest first; returns how many were sent."""
    due = Delivery.objects.filter(_due(), channel=Channel.EMAIL).order_by("next_attempt_at")
    ids = list(due.values_list("id", flat=True)[:SWEEP_BATCH])
    return sum(deliver(delivery_id) == DeliveryState.SENT for delivery_id in ids)


def render(kind: str, part: str, context: Mapping[str, Any]) -> str:
    """``subject.txt``, ``body.txt`` or ``body.html`` of a notice, in the active language."""
    return render_to_string(f"notices/{kind}/{part}", dict(context)).strip()


def subject(kind: str, context: Mapping[str, Any]) -> str:
    """The subject on one line, as a header must be."""
    return " ".join(render(kind, "subject.txt", context).split())


def _due() -> Q:
    return Q(state=DeliveryState.WAITING, next_attempt_at__lte=Now()) | Q(
        state=DeliveryState.SENDING, claimed_at__lt=Now() - CLAIM_LASTS
    )


def _compose(delivery: Delivery, address: Address) -> EmailMultiAlternatives:
    notice = delivery.notice
    with translation.override(address.language):
        mail = EmailMultiAlternatives(
            subject(notice.kind, notice.context),
            render(notice.kind, "body.txt", notice.context),
            settings.DEFAULT_FROM_EMAIL,
            [address.email],
            headers={"Message-ID": f"<{delivery.id}@{settings.MAIL_DOMAIN}>"},
        )
        mail.attach_alternative(render(notice.kind, "body.html", notice.context), "text/html")
    return mail


def _note(delivery: Delivery, state: DeliveryState, *, failure: str = "") -> DeliveryState:
    wait_s = min(RETRY_FIRST_S * 2 ** (delivery.attempts - 1), RETRY_LATEST_S)
    Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.SENDING).update(
        state=state,
        failure=failure,
        sent_at=Now() if state == DeliveryState.SENT else None,
        next_attempt_at=Now() + timedelta(seconds=wait_s),
    )
    return state


def _address_book() -> Callable[[int], Address | None]:
    """``settings.NOTICES_ADDRESS_BOOK``: named there, since people are known above this app."""
    return cast("Callable[[int], Address | None]", import_string(settings.NOTICES_ADDRESS_BOOK))

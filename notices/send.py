"""Telling a person something: the one entrance for every other app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from audit.after_commit import hint_after_commit
from kernel.invariant import ensure
from notices import consent, tasks
from notices.delivery import deliver
from notices.kinds import kind_of
from notices.models import Channel, Delivery, DeliveryState, Notice

log = structlog.get_logger(__name__)

EVERYWHERE: Final = (Channel.INBOX, Channel.EMAIL)


def notify(
    person_id: int,
    kind: str,
    context: Mapping[str, str | int | bool | None],
    channels: Sequence[Channel] = EVERYWHERE,
) -> UUID:
    """Store a notice in the caller's transaction and send it once that has committed.

    Rolled back, nothing was told. ``context`` holds plain values for the templates of ``kind``.
    A marketing kind is suppressed, and logged as such, on channels without the person's consent,
    and on all where ``settings.NOTICES_MARKETING_GATE`` says that it may not reach the person.
    Returns the notice's id. Takes no lock and does no mail work inside the transaction.
    """
    ensure(len(channels) > 0, "a notice goes somewhere", kind=kind)
    marketing = kind_of(kind).marketing
    may_reach = not marketing or _marketing_gate()(person_id)
    allowed = [
        channel
        for channel in channels
        if not marketing or (may_reach and consent.is_given(person_id, channel))
    ]
    with transaction.atomic():
        notice = Notice.objects.create(
            person_id=person_id,
            kind=kind,
            context=dict(context),
            in_inbox=Channel.INBOX in allowed,
        )
        for channel in channels:
            _log_delivery(notice, channel, is_allowed=channel in allowed)
    return notice.id


def _marketing_gate() -> Callable[[int], bool]:
    """Named in the settings, since what decides stands above this app."""
    return cast("Callable[[int], bool]", import_string(settings.NOTICES_MARKETING_GATE))


def _log_delivery(notice: Notice, channel: Channel, *, is_allowed: bool) -> None:
    if not is_allowed:
        Delivery.objects.create(notice=notice, channel=channel, state=DeliveryState.SUPPRESSED)
        return
    if channel == Channel.INBOX:  # the row is the delivery
        Delivery.objects.create(
            notice=notice, channel=channel, state=DeliveryState.SENT, sent_at=notice.created_at
        )
        return
    delivery = Delivery.objects.create(notice=notice, channel=channel)
    hint_after_commit(_hand_over, delivery.id)


def _hand_over(delivery_id: UUID) -> None:
    """Hint the worker, or send right here where settings say so. The sweep finds what is lost."""
    if settings.NOTICES_SEND == "inline":
        deliver(delivery_id)
        return
    try:
        tasks.deliver_notice.apply_async((str(delivery_id),), retry=False)
    except OperationalError:
        log.warning("notice_hint_lost", delivery_id=str(delivery_id))
        if settings.NOTICES_SEND == "task_or_inline":
            deliver(delivery_id)

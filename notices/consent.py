"""Consent to marketing, per channel: given by the person, withdrawn by the person, recorded."""

from __future__ import annotations

from django.db import transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from kernel.ids import Actor
from notices.models import Channel, Consent

GIVEN = register("notices.consent_given", "Agreed to marketing")
WITHDRAWN = register("notices.consent_withdrawn", "Withdrew the consent to marketing")


def is_given(person_id: int, channel: Channel) -> bool:
    """Whether the person agrees to marketing on ``channel`` at this moment."""
    return Consent.objects.filter(
        person_id=person_id, channel=channel, withdrawn_at__isnull=True
    ).exists()


def give(person_id: int, channel: Channel, *, actor: Actor) -> None:
    """Note that the person agrees. Repeating it changes nothing."""
    with transaction.atomic():
        if is_given(person_id, channel):
            return
        Consent.objects.update_or_create(
            person_id=person_id,
            channel=channel,
            defaults={"given_at": database_now(), "withdrawn_at": None},
        )
        _record(GIVEN, person_id, channel, actor, before=False)


def withdraw(person_id: int, channel: Channel, *, actor: Actor) -> None:
    """Note that the person no longer agrees; it acts on the next notice. Repeating is harmless."""
    with transaction.atomic():
        ended = Consent.objects.filter(
            person_id=person_id, channel=channel, withdrawn_at__isnull=True
        ).update(withdrawn_at=database_now())
        if ended:
            _record(WITHDRAWN, person_id, channel, actor, before=True)


def _record(kind: str, person_id: int, channel: Channel, actor: Actor, *, before: bool) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("person", str(person_id)),
        component="notices",
        before={channel.value: before},
        after={channel.value: not before},
    )

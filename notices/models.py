"""What people were told, how it left, and what they agreed to be told."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_id


class Channel(models.TextChoices):
    """A way to reach a person."""

    EMAIL = "email", _("e-mail")
    INBOX = "inbox", _("inbox")


class DeliveryState(models.TextChoices):
    """Where one delivery stands. ``SENT``, ``GIVEN_UP`` and ``SUPPRESSED`` are final."""

    WAITING = "waiting", _("waiting")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    GIVEN_UP = "given_up", _("given up")
    SUPPRESSED = "suppressed", _("not sent: no consent")


class Notice(models.Model):
    """One thing told to one person: its kind and the values its templates need, not its words."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    #: A plain id: this app stands below the one that knows people.
    person_id = models.BigIntegerField()
    kind = models.CharField(max_length=64)
    context = models.JSONField(default=dict)
    #: Whether the person finds it in the inbox.
    in_inbox = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [models.Index(fields=["person_id", "-created_at"], name="notices_by_person")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.person_id}"


class Delivery(models.Model):
    """One notice on one channel: the log of what was tried."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.CharField(max_length=16, choices=Channel.choices)
    state = models.CharField(
        max_length=16, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    #: The class of the last failure and nothing of its text, which may quote an address.
    failure = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["notice", "channel"], name="notices_delivery_once")
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="notices_delivery_due",
                condition=models.Q(state__in=["waiting", "sending"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.state}"


class Consent(models.Model):
    """Whether a person agreed to marketing on one channel. No row: not agreed."""

    person_id = models.BigIntegerField()
    channel = models.CharField(max_length=16, choices=Channel.choices)
    given_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(fields=["person_id", "channel"], name="notices_consent_once")
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.channel}"


class MailboxMail(models.Model):
    """An e-mail kept by the local mailbox of a demo or a test. Empty in production."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now(), editable=False)
    sender = models.CharField(max_length=320)
    recipient = models.CharField(max_length=320, db_index=True)
    subject = models.CharField(max_length=998)
    text = models.TextField()
    #: The one-time code the mail carries, when it carries one on a line of its own.
    code = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("mail in the local mailbox")
        verbose_name_plural = _("mails in the local mailbox")

    def __str__(self) -> str:
        return f"{self.recipient}: {self.subject}"

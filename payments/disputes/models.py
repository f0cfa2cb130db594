"""A provider's dispute as a row: where it stands, and who here works on it until when."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from kernel.ids import new_id
from kernel.money import Money
from payments.providers.protocol import DisputeState


class ProviderDispute(models.Model):
    """What a provider took back of a deposit, by its own word. Moved by `disputes.applying` alone.

    ``is_booked_here``: the provider's side was booked on its word. Else two people booked it before
    it, or nothing is booked, since it contradicts our record, until two people enter it.
    ``holds_payouts``: the player's withdrawals wait because of it. ``due_at`` is when the provider
    wants our evidence, or when somebody must have looked. Open until somebody closed it.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    provider = models.CharField(max_length=32)
    provider_ref = models.CharField(max_length=80)
    deposit = models.ForeignKey(
        "payments.Deposit", on_delete=models.PROTECT, related_name="disputes"
    )
    player_id = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    fee_minor = models.BigIntegerField(null=True)
    fee_currency = models.CharField(max_length=3, blank=True)
    reason = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=8, choices=[(s.value, s.value) for s in DisputeState])
    is_booked_here = models.BooleanField()
    holds_payouts = models.BooleanField(default=True)
    opened_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()
    told_late_at = models.DateTimeField(null=True)
    poll_at = models.DateTimeField(null=True)
    polls = models.IntegerField(default=0)
    assignee_id = models.BigIntegerField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=80, blank=True)
    closed_note = models.CharField(max_length=400, blank=True)

    class Meta:
        app_label = "payments"
        db_table = "payments_dispute"
        indexes = [
            models.Index(
                fields=["due_at"],
                name="payments_dispute_open",
                condition=models.Q(closed_at__isnull=True),
            ),
            models.Index(
                fields=["poll_at"],
                name="payments_dispute_poll",
                condition=models.Q(poll_at__isnull=False),
            ),
            models.Index(fields=["player_id"], name="payments_dispute_player"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "provider_ref"], name="payments_dispute_once"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="payments_dispute_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True, closed_by="", closed_note="")
                | (models.Q(closed_at__isnull=False) & ~models.Q(closed_by="")),
                name="payments_dispute_closed",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="opened") | models.Q(closed_at__isnull=True),
                name="payments_dispute_closed_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"dispute {self.provider_ref}: {self.state}"

    def write(self) -> None:
        """Save what may change; the database refuses the rest."""
        self.save(
            update_fields=[
                *("fee_minor", "fee_currency", "reason", "state", "holds_payouts", "changed_at"),
                *("due_at", "told_late_at", "poll_at", "polls", "assignee_id"),
                *("closed_at", "closed_by", "closed_note"),
            ]
        )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

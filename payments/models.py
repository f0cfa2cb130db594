"""Payments as rows: where each is, what caused each step, and what providers told us.

`Deposit` and `Withdrawal` hold the present state; every step is an append-only `Transition`.
A waiting payment's ``poll_at`` is our queue, and ``expected_by`` is what the player is promised.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Coalesce, Now

from kernel.ids import new_id
from kernel.money import Money
from payments.providers.protocol import InstrumentKind, PayoutRoute
from payments.states import DepositState, WithdrawalState


class Instrument(models.Model):
    """With what a player paid, or where they are paid, as its provider names it; never a number.

    ``fingerprint`` is the same for the same card or account, whoever uses it. ``verified_at`` says
    since when it is known to be the player's own. Removed by its player, it stays for the record.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    player_id = models.BigIntegerField()
    provider = models.CharField(max_length=32)
    token = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in InstrumentKind])
    brand = models.CharField(max_length=40, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    country = models.CharField(max_length=2, blank=True)
    fingerprint = models.CharField(max_length=120, blank=True)
    holder = models.CharField(max_length=140, blank=True)
    first_seen = models.DateTimeField(db_default=Now(), editable=False)
    last_used = models.DateTimeField(db_default=Now())
    verified_at = models.DateTimeField(null=True)
    #: Who or what said so: an officer, or the provider's own look at the name.
    verified_by = models.CharField(max_length=80, blank=True)
    #: An account is paid to from then on; None: nothing is known of a wait.
    usable_from = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_instrument"
        indexes = [
            models.Index(fields=["player_id", "-last_used"], name="payments_instrument_player"),
            models.Index(
                fields=["fingerprint"],
                name="payments_instrument_print",
                condition=~models.Q(fingerprint=""),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "token", "player_id"], name="payments_instrument_once"
            ),
            models.CheckConstraint(condition=~models.Q(token=""), name="payments_instrument_token"),
            # Four digits are shown to their owner; more would be part of a number.
            models.CheckConstraint(
                condition=models.Q(last4__regex=r"^[A-Za-z0-9]{0,4}$"),
                name="payments_instrument_last4",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.brand} {self.last4}"


class _Payment(models.Model):
    """What both directions share."""

    id = models.UUIDField(primary_key=True, default=new_id)
    player_id = models.BigIntegerField()
    provider = models.CharField(max_length=32)
    provider_ref = models.CharField(max_length=80, null=True)  # noqa: DJ001  (null: none yet)
    key = models.CharField(max_length=80, help_text="The player's idempotency key.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = models.DateTimeField(db_default=Now())
    expected_by = models.DateTimeField(null=True)
    poll_at = models.DateTimeField(null=True)
    polls = models.IntegerField(default=0)
    #: Since when it is late and people look into it, in which case of the player's (`overdue`).
    overdue_at = models.DateTimeField(null=True)
    case_reference = models.CharField(max_length=16, blank=True)

    #: What a payment is: the database lets no process change it.
    FIXED: ClassVar[frozenset[str]] = frozenset(
        {"player_id", "provider", "key", "amount_minor", "currency", "created_at"}
    )

    class Meta:
        abstract = True

    def save(self, *args: Any, **how: Any) -> None:
        """Save a row; of one that is there, only what may change."""
        if not self._state.adding and how.get("update_fields") is None:
            how["update_fields"] = [
                one.name
                for one in self._meta.concrete_fields
                if not one.primary_key and one.attname not in self.FIXED
            ]
        super().save(*args, **how)

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Deposit(_Payment):
    """Money on its way in. Credited only on ``succeeded``."""

    FIXED: ClassVar[frozenset[str]] = _Payment.FIXED | {"return_url", "asked_with"}

    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.value) for state in DepositState],
        default=DepositState.CREATED.value,
    )
    redirect_url = models.URLField(max_length=500, blank=True)
    return_url = models.URLField(max_length=500, blank=True)
    arrived_minor = models.BigIntegerField(null=True)
    arrived_currency = models.CharField(max_length=3, blank=True)
    instrument = models.ForeignKey(
        Instrument, null=True, on_delete=models.PROTECT, related_name="deposits"
    )
    #: The saved one that the player chose; empty where they entered theirs on the provider's page.
    asked_with = models.UUIDField(null=True)
    #: What the provider says it kept; its own currency. Booked when its settlement says so too.
    fee_minor = models.BigIntegerField(null=True)
    fee_currency = models.CharField(max_length=3, blank=True)
    #: What of it went back to its source, in the currency that arrived; and what of that was taken
    #: from the player again, not sent by their withdrawals.
    refunded_minor = models.BigIntegerField(default=0)
    reversed_minor = models.BigIntegerField(default=0)
    #: Attempts at sending it back that are over, and what the one that is on asked for.
    refund_attempts = models.IntegerField(default=0, db_default=0)
    refund_asked_minor = models.BigIntegerField(null=True)

    class Meta:
        db_table = "payments_deposit"
        indexes = [
            models.Index(fields=["player_id", "-created_at"], name="payments_deposit_player"),
            models.Index(fields=["created_at"], name="payments_deposit_time"),
            models.Index(
                fields=["expected_by"],
                name="payments_deposit_late",
                condition=models.Q(expected_by__isnull=False, overdue_at__isnull=True),
            ),
            models.Index(
                fields=["overdue_at"],
                name="payments_deposit_overdue",
                condition=models.Q(overdue_at__isnull=False),
            ),
            models.Index(
                fields=["poll_at"],
                name="payments_deposit_poll",
                condition=models.Q(poll_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["player_id", "key"], name="payments_deposit_key"),
            models.UniqueConstraint(
                fields=["provider", "provider_ref"], name="payments_deposit_provider_ref"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="payments_deposit_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(refunded_minor__gte=0)
                & models.Q(
                    refunded_minor__lte=Coalesce(
                        models.F("arrived_minor"), models.F("amount_minor")
                    )
                ),
                name="payments_deposit_refunded",
            ),
            models.CheckConstraint(
                condition=models.Q(reversed_minor__gte=0)
                & models.Q(reversed_minor__lte=models.F("refunded_minor")),
                name="payments_deposit_reversed",
            ),
        ]

    def __str__(self) -> str:
        return f"deposit {self.pk}: {self.state}"


class Withdrawal(_Payment):
    """One part of what a player asked to be paid: one operation of a provider, held from then on.

    Parts of one request share ``request_id``, which is the id of the first of them, and ``key``.
    A part goes back into a deposit, or onto an account of the player; rows from before there were
    routes have none, and are never submitted.
    """

    FIXED: ClassVar[frozenset[str]] = _Payment.FIXED | {
        *("request_id", "part", "route", "source_deposit_id", "instrument_id", "asked_account")
    }

    request_id = models.UUIDField(default=new_id)
    part = models.SmallIntegerField(default=1)
    route = models.CharField(
        max_length=8, blank=True, choices=[(r.value, r.value) for r in PayoutRoute]
    )
    source_deposit = models.ForeignKey(
        Deposit, null=True, on_delete=models.PROTECT, related_name="refunds"
    )
    instrument = models.ForeignKey(
        Instrument, null=True, on_delete=models.PROTECT, related_name="payouts"
    )
    #: The account that the player chose for what cannot go back, whether a part goes to it or not.
    asked_account = models.UUIDField(null=True)
    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.value) for state in WithdrawalState],
        default=WithdrawalState.REQUESTED.value,
    )
    approved_by = models.CharField(max_length=80, blank=True)
    #: Since when the provider may know of it: kept before it is asked for the first time.
    asked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_withdrawal"
        indexes = [
            models.Index(fields=["player_id", "-created_at"], name="payments_withdrawal_player"),
            models.Index(fields=["created_at"], name="payments_withdrawal_time"),
            models.Index(
                fields=["expected_by"],
                name="payments_withdrawal_late",
                condition=models.Q(expected_by__isnull=False, overdue_at__isnull=True),
            ),
            models.Index(
                fields=["overdue_at"],
                name="payments_withdrawal_overdue",
                condition=models.Q(overdue_at__isnull=False),
            ),
            models.Index(
                fields=["poll_at"],
                name="payments_withdrawal_poll",
                condition=models.Q(poll_at__isnull=False),
            ),
            models.Index(fields=["request_id", "part"], name="payments_withdrawal_request"),
            models.Index(
                fields=["created_at"],
                name="payments_withdrawal_review",
                condition=models.Q(state="risk_review"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["player_id", "key", "part"], name="payments_withdrawal_key"
            ),
            models.CheckConstraint(
                condition=models.Q(route="", source_deposit=None, instrument=None)
                | models.Q(route="refund", source_deposit__isnull=False)
                | models.Q(route="account", source_deposit=None, instrument__isnull=False),
                name="payments_withdrawal_route",
            ),
            models.UniqueConstraint(
                fields=["provider", "provider_ref"], name="payments_withdrawal_provider_ref"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="payments_withdrawal_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"withdrawal {self.pk}: {self.state}"


class ProviderEvent(models.Model):
    """One webhook as it came, kept once per provider and event id; unapplied rows are a queue."""

    id = models.UUIDField(primary_key=True, default=new_id)
    provider = models.CharField(max_length=32)
    event_id = models.CharField(max_length=80)
    #: Of which payment it spoke, as its provider's module read it; none for events kept before.
    payment_id = models.UUIDField(null=True, db_index=True)
    payload = models.JSONField()
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, blank=True)
    attempts = models.IntegerField(default=0)

    class Meta:
        db_table = "payments_providerevent"
        indexes = [
            models.Index(
                fields=["received_at"],
                name="payments_event_unapplied",
                condition=models.Q(applied_at__isnull=True),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="payments_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


class EventPosition(models.Model):
    """How far a provider's messages have been looked through for those that never came."""

    provider = models.CharField(max_length=32, primary_key=True)
    position = models.CharField(max_length=80, blank=True)
    looked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payments_event_position"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.provider}: {self.position}"


class Transition(models.Model):
    """One step of one payment. Append-only, partitioned by month."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    payment_id = models.UUIDField()
    direction = models.CharField(max_length=12)
    player_id = models.BigIntegerField()
    before = models.CharField(max_length=16)
    after = models.CharField(max_length=16)
    actor = models.CharField(max_length=80)
    cause = models.CharField(max_length=120)
    reason = models.CharField(max_length=120)

    class Meta:
        managed = False
        db_table = "payments_transition"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.direction} {self.payment_id}: {self.before} to {self.after}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("transitions are written by the step itself, and never change")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("transitions never change")


import payments.approvals.models  # noqa: E402  (as below)
import payments.disputes.models  # noqa: E402  (as below)
import payments.files.models  # noqa: E402  (Django finds an app's models here)
import payments.reconciliation.models  # noqa: E402, F401  (the same)

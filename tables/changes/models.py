"""What is kept of proposed changes to a table: what was seen, what was asked, who decided."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class ChangeKind(models.TextChoices):
    LIMITS = "limits", "bet limits"
    PACE = "pace", "pace"
    RULESET = "ruleset", "rules"
    STATUS = "status", "open or closed"
    LATENCY = "latency", "bound of the picture's delay"


class ChangeState(models.TextChoices):
    PROPOSED = "proposed", "waits for a second person"
    APPROVED = "approved", "waits for the next round"
    APPLIED = "applied", "in force"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"
    STALE = "stale", "not applied: something else had changed"


class SettingChange(models.Model):
    """A change to one table that one person proposed and another decides.

    ``before`` is what the proposer saw, ``after`` what they ask for, both as plain values. What was
    proposed never changes, and a decision is made once: the database refuses both, and an approval
    by the proposer.
    """

    id = models.UUIDField(primary_key=True)
    table = models.ForeignKey("tables.Table", on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=12, choices=ChangeKind.choices)
    #: The currency of limits; else ''.
    target = models.CharField(max_length=3, blank=True)
    before = models.JSONField()
    after = models.JSONField()
    reason = models.CharField(max_length=400)
    key = models.CharField(max_length=64)
    proposed_by = models.CharField(max_length=80)
    proposed_at = models.DateTimeField()
    state = models.CharField(
        max_length=10, choices=ChangeState.choices, default=ChangeState.PROPOSED
    )
    decided_by = models.CharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=400, blank=True)
    applied_at = models.DateTimeField(null=True)
    #: The transaction in which it was applied: limits and rules move in no other (migration 0009).
    applied_in = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-proposed_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["proposed_by", "key"], name="change_key_once"),
            models.UniqueConstraint(
                fields=["table", "kind", "target"],
                condition=models.Q(state__in=["proposed", "approved"]),
                name="change_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(state="proposed", decided_by="", decided_at__isnull=True)
                | (
                    ~models.Q(state="proposed")
                    & ~models.Q(decided_by="")
                    & models.Q(decided_at__isnull=False)
                ),
                name="change_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "applied", "rejected", "stale"])
                | ~models.Q(decided_by=models.F("proposed_by")),
                name="change_four_eyes",
            ),
            models.CheckConstraint(
                condition=models.Q(state="applied", applied_at__isnull=False)
                | (~models.Q(state="applied") & models.Q(applied_at__isnull=True)),
                name="change_applied_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.table_id}"

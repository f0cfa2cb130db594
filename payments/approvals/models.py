"""What was found about a request for a withdrawal and who agreed to it: rows that are only added.

The database lets a reviewed part on only where enough people, none of them twice, agreed to what
was found last (migration 0014).
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from compliance.kept_rows import KeptRow


class PolicyText(KeptRow):
    """A policy as it was when it first decided something; its digest names it."""

    sha256 = models.TextField(primary_key=True)
    name = models.TextField()
    text = models.TextField()
    first_used_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "payments_withdrawal_policy"

    def __str__(self) -> str:
        return self.name


class AssessmentRow(KeptRow):
    """How many people must agree to a request, and why: at the request, and when that changed."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    request_id = models.UUIDField()
    player_id = models.BigIntegerField()
    policy = models.ForeignKey(
        PolicyText, on_delete=models.DO_NOTHING, db_column="policy_sha256", related_name="+"
    )
    people = models.SmallIntegerField()
    reasons = ArrayField(models.TextField())
    risk = models.TextField()
    risk_reasons = ArrayField(models.TextField())
    facts = models.JSONField()

    class Meta:
        managed = False
        db_table = "payments_assessment"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"request {self.request_id}: {self.people}"


class ApprovalRow(KeptRow):
    """One person's word about a request, or the house's own where the policy lets it pay."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    request_id = models.UUIDField()
    player_id = models.BigIntegerField()
    assessment = models.ForeignKey(AssessmentRow, on_delete=models.DO_NOTHING, related_name="+")
    actor = models.TextField()
    verdict = models.TextField()
    reason = models.TextField()

    class Meta:
        managed = False
        db_table = "payments_approval"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.verdict} of request {self.request_id} by {self.actor}"

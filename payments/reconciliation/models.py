"""The rows of reconciliation, read-only here. Written by `attempts`, `runs`, `breaks`, `resolution`
and `history` alone.

`Attempt` is how far a run is, `Run` what one found (it never changes), `Break` one difference over
all runs, `BreakEvent` its history, `Resolution` and `ResolutionDecided` what two people made of
it. Amounts are minor units, seen from our clearing account: money towards us is positive.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from compliance.kept_rows import KeptRow
from payments.reconciliation.words import BreakState


class Attempt(KeptRow):
    """One try at a run: asked for, under way, done or failed, and how far."""

    id = models.UUIDField(primary_key=True)
    asked_by = models.TextField()
    asked_at = models.DateTimeField()
    cause = models.TextField(help_text="nightly, import, command, page")
    provider = models.TextField(blank=True, help_text="Empty: all of them.")
    as_of = models.DateTimeField(null=True, help_text="Empty: when it begins.")
    dry_run = models.BooleanField()
    state = models.TextField()
    step = models.TextField()
    done = models.IntegerField()
    total = models.IntegerField()
    tries = models.IntegerField()
    beat_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    code = models.TextField()
    message = models.TextField()
    run = models.ForeignKey("Run", models.DO_NOTHING, null=True, related_name="attempts")

    class Meta:
        managed = False
        db_table = "payments_reconciliation_attempt"
        ordering: ClassVar = ["-asked_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.cause} {self.state}"


class Run(KeptRow):
    """What a finished run found. ``id`` is the SHA-256 of everything that it depends on."""

    id = models.TextField(primary_key=True)
    provider = models.TextField(blank=True, help_text="Empty: all of them.")
    as_of = models.DateTimeField()
    window_from = models.DateTimeField()
    policy_version = models.TextField()
    code_version = models.TextField()
    #: {"files": [{"id", "sha256", "kind", "source", "name", "rows"}], "gaps": [...], "refused":
    #: [...], "ledger": {"rows", "digest"}, "resolutions": {"rows", "digest"}}
    inputs = models.JSONField()
    #: {"positions": [one per provider and currency: `report.Position`], "categories": [...],
    #: "breaks": {kind: count}, "matched": {stage: count}}
    summary = models.JSONField()
    report_sha256 = models.TextField()
    lines_sha256 = models.TextField()
    breaks_open = models.IntegerField()
    finished_at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "payments_reconciliation_run"
        ordering: ClassVar = ["-as_of", "-finished_at"]
        default_permissions = ()
        permissions = [
            ("view_reconciliation", "Can see runs and breaks of reconciliation"),
            ("work_reconciliation", "Can start runs, assign breaks and propose resolutions"),
            ("decide_reconciliation", "Can decide resolutions of breaks"),
        ]

    def __str__(self) -> str:
        return self.id[:12]


class Break(KeptRow):
    """One difference, the same row over all runs. ``id`` is made of its kind and its references.

    ``difference_minor``: by how much the ledger's clearing account would have to move to agree.
    ``facts_sha256`` names what it says now: a resolution holds while that is the same.
    """

    id = models.TextField(primary_key=True)
    kind = models.TextField()
    side = models.TextField(help_text="ledger, psp, bank or both")
    provider = models.TextField()
    currency = models.TextField()
    category = models.TextField()
    ledger_entry = models.TextField(blank=True, help_text="account:seq")
    transfer_id = models.UUIDField(null=True)
    payment_id = models.UUIDField(null=True)
    psp_ref = models.TextField(blank=True)
    merchant_ref = models.TextField(blank=True)
    payout_id = models.TextField(blank=True)
    bank_ref = models.TextField(blank=True)
    psp_file = models.TextField(blank=True, help_text="SHA-256 of the settlement file.")
    psp_row = models.BigIntegerField(null=True)
    bank_file = models.TextField(blank=True, help_text="SHA-256 of the bank's file.")
    bank_row = models.BigIntegerField(null=True)
    ledger_minor = models.BigIntegerField(null=True)
    psp_gross_minor = models.BigIntegerField(null=True)
    psp_currency = models.TextField(blank=True)
    fee_minor = models.BigIntegerField(null=True)
    net_minor = models.BigIntegerField(null=True)
    bank_minor = models.BigIntegerField(null=True)
    difference_minor = models.BigIntegerField()
    status = models.TextField(blank=True)
    detail = models.TextField(blank=True, help_text="What was expected, in words.")
    booked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    is_test = models.BooleanField()
    facts_sha256 = models.TextField()
    beside = models.TextField(blank=True, help_text="What it is a duplicate of: transfer/file:row.")
    state = models.TextField(choices=[(one.value, one.value) for one in BreakState])
    first_run = models.ForeignKey(Run, models.DO_NOTHING, related_name="+")
    last_run = models.ForeignKey(Run, models.DO_NOTHING, related_name="+")
    cleared_run = models.ForeignKey(Run, models.DO_NOTHING, null=True, related_name="+")
    assignee_id = models.BigIntegerField(null=True)
    note = models.TextField(blank=True, help_text="The newest note; all are events.")

    class Meta:
        managed = False
        db_table = "payments_reconciliation_break"
        ordering: ClassVar = ["booked_at", "id"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.provider} {self.currency} {self.difference_minor}"


class BreakEvent(KeptRow):
    """What happened to a break. Append-only."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    case = models.ForeignKey(Break, models.DO_NOTHING, related_name="events", db_column="break_id")
    kind = models.TextField(
        help_text="found, changed, cleared, reopened, assigned, noted, proposed, approved, refused,"
        " withdrawn"
    )
    actor = models.TextField()
    run = models.ForeignKey(Run, models.DO_NOTHING, null=True, related_name="+")
    resolution_id = models.UUIDField(null=True)
    data = models.JSONField()

    class Meta:
        managed = False
        db_table = "payments_reconciliation_break_event"
        ordering: ClassVar = ["at", "id"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.at}"


class Resolution(KeptRow):
    """What one person proposes to make of a break. Append-only, written by the database's door."""

    id = models.UUIDField(primary_key=True)
    case = models.ForeignKey(
        Break, models.DO_NOTHING, related_name="resolutions", db_column="break_id"
    )
    facts_sha256 = models.TextField()
    method = models.TextField()
    code = models.TextField(blank=True)
    adjustment_id = models.UUIDField(null=True)
    amount_minor = models.BigIntegerField()
    currency = models.TextField()
    note = models.TextField()
    proposer = models.TextField()
    proposer_role = models.TextField()
    proposed_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "payments_reconciliation_resolution"
        ordering: ClassVar = ["-proposed_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.method} {self.id}"


class ResolutionDecided(KeptRow):
    """The decision about a proposal: by another person, or its proposer took it back."""

    resolution = models.OneToOneField(
        Resolution, models.DO_NOTHING, primary_key=True, related_name="decided"
    )
    proposer = models.TextField()
    decision = models.TextField()
    approver = models.TextField()
    approver_role = models.TextField()
    note = models.TextField()
    decided_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "payments_reconciliation_decision"
        default_permissions = ()

    def __str__(self) -> str:
        return self.decision

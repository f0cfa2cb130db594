"""The row of an officers' case. Acts live in `compliance.watching.casework`."""

from __future__ import annotations

from django.db import models

from compliance.kept_rows import KeptRow


class WatchCase(KeptRow):
    """A suspicion or a marker of harm: opened and moved by `compliance.watching.casework` alone."""

    id = models.UUIDField(primary_key=True)
    reference = models.TextField()
    family = models.TextField()
    player_id = models.BigIntegerField()
    state = models.TextField()
    assignee_id = models.BigIntegerField(null=True)
    verdict = models.TextField()
    proposed_by = models.BigIntegerField(null=True)
    decided_by = models.BigIntegerField(null=True)
    opened_by = models.TextField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    version = models.IntegerField()

    class Meta:
        managed = False
        db_table = "compliance_watch_case"
        permissions = [
            ("work_aml", "Can work on suspicions and decide rules"),
            ("work_harm", "Can work on markers of harm"),
        ]

    def __str__(self) -> str:
        return self.reference

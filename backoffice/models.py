"""What the back office itself keeps: notes about players, and requests about their data."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from compliance.kept_rows import KeptRow


class Audience(models.TextChoices):
    """Who reads a note. What would tip a player off is for compliance alone."""

    EVERYBODY = "everybody", "everybody who opens this page"
    COMPLIANCE = "compliance", "compliance only"


class PlayerNote(models.Model):
    """What a member of staff wrote about a player. Rows are only ever added."""

    id = models.UUIDField(primary_key=True)
    player_id = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
    author = models.CharField(max_length=80)
    audience = models.CharField(max_length=12, choices=Audience.choices)
    text = models.CharField(max_length=2_000)
    key = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [models.Index(fields=["player_id", "-at"], name="note_of_player")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["author", "key"], name="note_key_once"),
            models.CheckConstraint(condition=~models.Q(text=""), name="note_says_something"),
        ]

    def __str__(self) -> str:
        return f"note about player {self.player_id}"


class DataRequest(KeptRow):
    """A request about one's data: read by `backoffice.data_rights` alone."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        managed = False
        db_table = "backoffice_data_request"
        default_permissions = ()
        permissions: ClassVar = [
            ("view_data_requests", "Can see requests about one's data"),
            ("work_data_requests", "Can decide requests about one's data"),
        ]

    def __str__(self) -> str:
        return f"request {self.pk}"


class DailyStatement(KeptRow):
    """What books, rounds, providers and banks said of a gaming day: written by
    `backoffice.finance.statements` alone, and never changed. ``line`` is the signed statement."""

    id = models.UUIDField(primary_key=True)
    day = models.DateField()
    no = models.IntegerField()
    as_of = models.DateTimeField()
    made_at = models.DateTimeField()
    made_by = models.TextField()
    verdict = models.TextField()
    line = models.TextField()

    class Meta:
        managed = False
        db_table = "backoffice_daily_statement"
        ordering: ClassVar = ["-day", "-no"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"statement {self.no} of {self.day}"

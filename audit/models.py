"""Read-only views of the record, for pages and searches. Rows are written by SQL, never here."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from audit.record import wording
from kernel.invariant import InvariantBroken


class ReadOnlyModel(models.Model):
    """A table that this class may read and nobody may change."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise InvariantBroken("append-only rows are written by their act, not by a model")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise InvariantBroken("append-only rows are never deleted")


class AuditEvent(ReadOnlyModel):
    """One significant event. The primary key in the database is ``(id, at)``."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    kind = models.TextField()
    actor_kind = models.TextField()
    actor_id = models.TextField()
    subject_kind = models.TextField()
    subject_id = models.TextField()
    component = models.TextField()
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField()
    request_id = models.TextField()
    person_id = models.BigIntegerField(null=True)
    personal_key = models.UUIDField(null=True)
    personal = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "audit_event"
        ordering = ["-at", "-id"]
        permissions = [("reveal_personal", "Can read personal fields of audit events")]

    def __str__(self) -> str:
        return f"{self.wording}: {self.subject_kind} {self.subject_id}"

    @property
    def wording(self) -> str:
        """What happened, in words."""
        return wording(self.kind)

"""Files that came, and the statements in them, as rows. Append-only: a file does not change.

The bytes lie in the store (`payments.files.store`) and end with their retention; these rows stay.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now

from kernel.ids import new_id
from payments.files.words import FileKind, FileState


class _KeptOnce(models.Model):
    """Inserted and never changed; the database refuses it too."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("a file that came never changes")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("a file that came is never forgotten")


class SourceFile(_KeptOnce):
    """One file: taken whole (``accepted``), or not at all (``refused``, with what was wrong).

    ``source`` is the provider's name, or the name of the house's bank account. ``totals`` has, per
    currency, ``rows`` and sums in minor units; ``opening`` and ``closing`` the balances of a bank
    file per account. ``rows_path`` lies in the store and holds the rows of `payments.files.rows`.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Empty: it was never read.")
    kind = models.CharField(
        max_length=12, blank=True, choices=[(kind.value, kind.value) for kind in FileKind]
    )
    source = models.CharField(max_length=64, blank=True)
    format = models.CharField(max_length=40, blank=True)
    format_version = models.CharField(max_length=40, blank=True)
    original_name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    rows = models.BigIntegerField(default=0)
    period_from = models.DateTimeField(null=True)
    period_to = models.DateTimeField(null=True)
    statement_no = models.CharField(max_length=40, blank=True)
    totals = models.JSONField(default=dict)
    opening = models.JSONField(default=dict)
    closing = models.JSONField(default=dict)
    state = models.CharField(
        max_length=10, choices=[(state.value, state.value) for state in FileState]
    )
    refusals = models.JSONField(default=list)
    notes = models.JSONField(default=list, help_text="What is odd about it, in the same form.")
    despite = models.CharField(
        max_length=400, blank=True, help_text="Why somebody took it in spite of a gap."
    )
    way = models.CharField(max_length=10, help_text="upload, folder or command")
    imported_at = models.DateTimeField(db_default=Now(), editable=False)
    imported_by = models.CharField(max_length=80)
    original_path = models.CharField(max_length=120, blank=True)
    rows_path = models.CharField(max_length=120, blank=True)

    class Meta:
        db_table = "payments_source_file"
        indexes = [
            models.Index(fields=["-imported_at"], name="payments_source_file_time"),
            models.Index(fields=["source", "period_to"], name="payments_source_file_source"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["sha256"],
                name="payments_source_file_once",
                condition=models.Q(state="accepted"),
            ),
            models.CheckConstraint(
                name="payments_source_file_whole",
                condition=models.Q(state="refused", rows_path="") & ~models.Q(refusals=[])
                | models.Q(state="accepted", refusals=[], sha256__regex="^[0-9a-f]{64}$")
                & ~models.Q(rows_path="")
                & ~models.Q(original_path="")
                & ~models.Q(kind="")
                & ~models.Q(source=""),
            ),
        ]
        permissions = [
            ("import_sourcefile", "Can import files of providers and banks"),
            ("download_sourcefile", "Can take the files themselves away"),
        ]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.original_name}: {self.state}"


class BankStatement(_KeptOnce):
    """One statement of one account in an accepted file. What the next one is compared with.

    ``sequence`` is the bank's own number where it has one; ``page`` counts parts of one number.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    file = models.ForeignKey(SourceFile, on_delete=models.PROTECT, related_name="statements")
    account = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    statement_no = models.CharField(max_length=40)
    sequence = models.BigIntegerField(null=True)
    page = models.IntegerField(default=1)
    opened_on = models.DateField()
    closed_on = models.DateField()
    opening_minor = models.BigIntegerField()
    closing_minor = models.BigIntegerField()
    entries = models.IntegerField()

    class Meta:
        db_table = "payments_bank_statement"
        indexes = [
            models.Index(
                fields=["account", "currency", "closed_on"], name="payments_bank_statement_order"
            ),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.account} {self.statement_no}"

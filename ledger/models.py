"""Read-only views of the ledger's tables. Rows are written by ``ledger.posting`` alone."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Account(models.Model):
    """A balance: ``posted`` minor units, of which ``held`` are spoken for."""

    id = models.BigIntegerField(primary_key=True)
    currency = models.TextField()
    scale = models.SmallIntegerField()
    kind = models.TextField()
    owner_ref = models.TextField()
    floor = models.BigIntegerField(null=True)
    posted = models.BigIntegerField()
    held = models.BigIntegerField()
    seq = models.BigIntegerField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "ledger_account"
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.owner_ref} {self.currency}"


class Batch(models.Model):
    """One call of ``post`` or ``try_post``, which happened exactly once under its key."""

    id = models.BigIntegerField(primary_key=True)
    key = models.TextField(unique=True)
    fingerprint = models.BinaryField()
    kind = models.TextField()
    actor = models.TextField()
    n = models.IntegerField()
    codes = ArrayField(models.SmallIntegerField(), null=True)
    balances = ArrayField(models.BigIntegerField(null=True), null=True)
    posted_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ledger_batch"
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.key


class TransferRow(models.Model):
    """One movement between two accounts, as posted, with the number and balance it left on each."""

    id = models.UUIDField(primary_key=True)
    batch = models.BigIntegerField()
    item = models.IntegerField()
    debit = models.BigIntegerField()
    credit = models.BigIntegerField()
    amount = models.BigIntegerField()
    kind = models.TextField()
    ref = models.TextField()
    permit = models.UUIDField(null=True)
    posted_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ledger_transfer"
        ordering: ClassVar = ["-batch", "-item"]
        verbose_name = "transfer"

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"


class EntryLine(models.Model):
    """One line of an account: ``id`` is ``account:seq`` (a view over ``ledger_entry``)."""

    id = models.TextField(primary_key=True)
    account = models.BigIntegerField()
    seq = models.BigIntegerField()
    transfer = models.UUIDField()
    amount = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    posted_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ledger_entry_line"
        ordering: ClassVar = ["account", "-seq"]
        verbose_name = "entry"
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return self.id

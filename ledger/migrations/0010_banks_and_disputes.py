"""Accounts at banks, settlements of providers, and disputes that a provider books by itself."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql" / "0012_banks_and_disputes.sql"


class Migration(migrations.Migration):
    """There is no way back: a kind of account that may have been used stays in the list."""

    dependencies = [("ledger", "0009_permit_sets")]
    operations = [migrations.RunSQL(SQL.read_text())]

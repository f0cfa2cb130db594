"""Closed routes are no routes at all, and a debt in one batch with other money stays above nothing."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql" / "0010_closed_routes.sql"


class Migration(migrations.Migration):
    """There is no way back: the older functions are in older migrations."""

    dependencies = [("ledger", "0007_decided_by_two")]
    operations = [migrations.RunSQL(SQL.read_text())]

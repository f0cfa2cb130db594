"""Posting looks up what a batch names by probes, whatever the tables held when it was planned."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql" / "0008_probes.sql"


class Migration(migrations.Migration):
    """There is no way back, and no need of one: the functions answer what they answered before."""

    dependencies = [("ledger", "0005_chargebacks")]
    operations = [migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop)]

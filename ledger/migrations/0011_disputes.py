"""A provider's dispute is noted once it was confirmed, and posted as noted; people share it out."""

from pathlib import Path

from django.db import migrations

from audit.append_only import protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql" / "0013_disputes.sql"


class Migration(migrations.Migration):
    """There is no way back: what providers took is not forgotten by a command."""

    dependencies = [("ledger", "0010_banks_and_disputes")]
    operations = [
        migrations.RunSQL(
            SQL.read_text().replace(":runtime_role", runtime_role())
            + "\n"
            + protect_sql("ledger_dispute", insert=False)
        )
    ]

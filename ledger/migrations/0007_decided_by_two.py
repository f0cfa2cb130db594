"""A debt is collected or written off, and suspense paid to a player, by two people only."""

from pathlib import Path

from django.db import migrations

from audit.append_only import protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql" / "0009_decided_by_two.sql"


class Migration(migrations.Migration):
    """There is no way back: what people decided is not dropped by a command."""

    dependencies = [("ledger", "0006_probes")]
    operations = [
        migrations.RunSQL(
            SQL.read_text().replace(":runtime_role", runtime_role())
            + "\n"
            + protect_sql("ledger_route_closed", insert=False)
        )
    ]

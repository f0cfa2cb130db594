"""An adjustment is proposed by one person and approved by another; posting demands it."""

from pathlib import Path

from django.db import migrations

from audit.append_only import protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql" / "0006_adjustments.sql"
APPEND_ONLY = (
    "ledger_adjustment_reason",
    "ledger_adjustment_limit",
    "ledger_adjustment",
    "ledger_adjustment_decision",
)

FORWARD = "\n".join(
    [
        SQL.read_text().replace(":runtime_role", runtime_role()),
        *[protect_sql(table, insert=False) for table in APPEND_ONLY],
    ]
)


class Migration(migrations.Migration):
    """There is no way back: what people decided is not dropped by a command."""

    dependencies = [("ledger", "0003_holds")]
    operations = [migrations.RunSQL(FORWARD)]

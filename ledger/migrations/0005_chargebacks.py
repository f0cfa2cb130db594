"""A chargeback is entered by one person and approved by another; posting demands it."""

from pathlib import Path

from django.db import migrations

from audit.append_only import protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql" / "0007_chargebacks.sql"
APPEND_ONLY = (
    "ledger_chargeback",
    "ledger_chargeback_decision",
    "ledger_chargeback_leg",
)

FORWARD = "\n".join(
    [
        SQL.read_text().replace(":runtime_role", runtime_role()),
        *[protect_sql(table, insert=False) for table in APPEND_ONLY],
    ]
)


class Migration(migrations.Migration):
    """There is no way back: what people decided is not dropped by a command."""

    dependencies = [("ledger", "0004_adjustments")]
    operations = [migrations.RunSQL(FORWARD)]

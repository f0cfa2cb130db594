"""Holds: money set aside on an account until it is captured, voided, or its time is over."""

from pathlib import Path

from django.db import migrations

from audit.append_only import protect_sql, runtime_role

SCRIPT = Path(__file__).resolve().parent.parent / "sql" / "0005_holds.sql"


class Migration(migrations.Migration):
    """There is no way back: what was held stays on record."""

    dependencies = [("ledger", "0002_batches_by_time")]
    operations = [
        migrations.RunSQL(
            "\n".join(
                [
                    SCRIPT.read_text().replace(":runtime_role", runtime_role()),
                    *[
                        protect_sql(table, insert=False)
                        for table in ("ledger_hold", "ledger_hold_end")
                    ],
                ]
            )
        ),
    ]

"""The signed statement of a gaming day."""

from pathlib import Path
from typing import Final

from django.db import migrations, models

from audit.append_only import protect_sql

SQL: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
TABLE: Final = "backoffice_daily_statement"


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0015_payments_forgotten_whole"),
        ("payments", "0008_reconciliation"),
        ("audit", "0001_append_only"),
    ]
    operations = [
        migrations.RunSQL(SQL + protect_sql(TABLE), f"DROP TABLE {TABLE}"),
        migrations.CreateModel(
            name="DailyStatement",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("no", models.IntegerField()),
                ("as_of", models.DateTimeField()),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("verdict", models.TextField()),
                ("line", models.TextField()),
            ],
            options={
                "db_table": TABLE,
                "ordering": ["-day", "-no"],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]

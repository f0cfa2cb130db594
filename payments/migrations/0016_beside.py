"""What a break was found beside, so that it is read again with it."""

from pathlib import Path

from django.db import migrations, models

from audit.append_only import runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql" / "0016_beside.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0015_refund_attempts"),
    ]

    operations = [
        migrations.RunSQL(
            SQL.read_text().replace(":runtime_role", runtime_role()),
            "ALTER TABLE payments_reconciliation_break DROP COLUMN beside",
        ),
        migrations.AddField(
            model_name="break",
            name="beside",
            field=models.TextField(
                blank=True, help_text="What it is a duplicate of: transfer/file:row."
            ),
        ),
    ]

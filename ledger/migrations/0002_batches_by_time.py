"""The sealer asks every minute which batches are new."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_ledger")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX ledger_batch_posted_at ON ledger_batch (posted_at)",
            "DROP INDEX ledger_batch_posted_at",
        ),
    ]

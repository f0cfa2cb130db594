"""Payments by time, for rules of watching that look at what everybody paid in some days."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_transitions")]

    operations = [
        migrations.AddIndex(
            model_name="deposit",
            index=models.Index(fields=["created_at"], name="payments_deposit_time"),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(fields=["created_at"], name="payments_withdrawal_time"),
        ),
    ]

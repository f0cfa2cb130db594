"""Which attempt at sending a deposit back is on, and what was asked for in it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0014_agreed_to_what_was_found_last"),
    ]

    operations = [
        migrations.AddField(
            model_name="deposit",
            name="refund_attempts",
            field=models.IntegerField(default=0, db_default=0),
        ),
        migrations.AddField(
            model_name="deposit",
            name="refund_asked_minor",
            field=models.BigIntegerField(null=True),
        ),
    ]

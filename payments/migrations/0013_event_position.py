"""How far a provider's messages were looked through for those that never came."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0006_withdrawals_in_parts"),
    ]

    operations = [
        migrations.CreateModel(
            name="EventPosition",
            fields=[
                ("provider", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("position", models.CharField(blank=True, max_length=80)),
                (
                    "looked_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "db_table": "payments_event_position",
                "default_permissions": (),
            },
        ),
    ]

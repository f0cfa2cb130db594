"""When a signed-in browser was last used, so that it can be signed out unused."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_rights_by_appointment"),
    ]

    operations = [
        migrations.CreateModel(
            name="SessionUse",
            fields=[
                (
                    "session_key",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("idle_s", models.IntegerField()),
                ("seen_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["seen_at"], name="accounts_sessionuse_seen")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("idle_s__gt", 0)), name="accounts_sessionuse_some_time"
                    )
                ],
            },
        ),
    ]

"""Who holds which role, since when and until when; who may look."""

from typing import Any

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from accounts.roles import Role, grant

SEE = ("accounts.view_appointment",)


def allow(apps: Any, schema_editor: Any) -> None:
    for role in (Role.ADMINISTRATOR, Role.AUDITOR):
        grant(apps, role, SEE)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_ratecounter_unlockcode"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Appointment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("role", models.CharField(max_length=20)),
                ("reason", models.CharField(blank=True, max_length=400)),
                ("appointed_by", models.CharField(max_length=80)),
                (
                    "since",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("until", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=80)),
                ("end_reason", models.CharField(blank=True, max_length=400)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appointments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "appointment",
                "verbose_name_plural": "appointments",
                "ordering": ["-since"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("user", "role"),
                        name="accounts_appointment_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("until__isnull", True),
                            ("until__gt", models.F("since")),
                            _connector="OR",
                        ),
                        name="accounts_appointment_ends_later",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("ended_by", "")),
                            models.Q(
                                ("ended_at__isnull", False),
                                models.Q(("ended_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_appointment_ended_by",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "appointed_by",
                                django.db.models.functions.text.Concat(
                                    models.Value("staff:"),
                                    django.db.models.functions.comparison.Cast(
                                        "user_id", models.CharField()
                                    ),
                                ),
                            ),
                            _negated=True,
                        ),
                        name="accounts_appointment_by_another",
                    ),
                ],
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

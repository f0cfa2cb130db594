"""Files of providers and banks, and the statements in them: rows that are added and never change.

Finance imports and takes files away; who reads the books sees which came.
"""

from typing import Any

import django.db.models.deletion
import django.db.models.functions.datetime
import kernel.ids
from django.db import migrations, models

from accounts.roles import Role, grant, withdraw
from audit.append_only import protect_sql

VIEW = "payments.view_sourcefile"
IMPORT = "payments.sourcefile:import_sourcefile"
DOWNLOAD = "payments.sourcefile:download_sourcefile"

RIGHTS = {
    Role.FINANCE: (VIEW, IMPORT, DOWNLOAD),
    Role.AUDITOR: (VIEW, DOWNLOAD),
    Role.INSPECTOR: (VIEW,),
    Role.ADMINISTRATOR: (VIEW,),
}

TABLES = ("payments_source_file", "payments_bank_statement")


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


def forbid(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        withdraw(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_people_from_outside"),
        ("audit", "0001_append_only"),
        ("payments", "0005_instruments"),
    ]

    operations = [
        migrations.CreateModel(
            name="SourceFile",
            fields=[
                (
                    "id",
                    models.UUIDField(default=kernel.ids.new_id, primary_key=True, serialize=False),
                ),
                (
                    "sha256",
                    models.CharField(
                        blank=True, help_text="Empty: it was never read.", max_length=64
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        blank=True,
                        choices=[("settlement", "settlement"), ("bank", "bank")],
                        max_length=12,
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=64)),
                ("format", models.CharField(blank=True, max_length=40)),
                ("format_version", models.CharField(blank=True, max_length=40)),
                ("original_name", models.CharField(max_length=200)),
                ("size_bytes", models.BigIntegerField()),
                ("rows", models.BigIntegerField(default=0)),
                ("period_from", models.DateTimeField(null=True)),
                ("period_to", models.DateTimeField(null=True)),
                ("statement_no", models.CharField(blank=True, max_length=40)),
                ("totals", models.JSONField(default=dict)),
                ("opening", models.JSONField(default=dict)),
                ("closing", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[("accepted", "accepted"), ("refused", "refused")], max_length=10
                    ),
                ),
                ("refusals", models.JSONField(default=list)),
                (
                    "notes",
                    models.JSONField(
                        default=list, help_text="What is odd about it, in the same form."
                    ),
                ),
                (
                    "despite",
                    models.CharField(
                        blank=True,
                        help_text="Why somebody took it in spite of a gap.",
                        max_length=400,
                    ),
                ),
                ("way", models.CharField(help_text="upload, folder or command", max_length=10)),
                (
                    "imported_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("imported_by", models.CharField(max_length=80)),
                ("original_path", models.CharField(blank=True, max_length=120)),
                ("rows_path", models.CharField(blank=True, max_length=120)),
            ],
            options={
                "db_table": "payments_source_file",
                "permissions": [
                    ("import_sourcefile", "Can import files of providers and banks"),
                    ("download_sourcefile", "Can take the files themselves away"),
                ],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["-imported_at"], name="payments_source_file_time"),
                    models.Index(
                        fields=["source", "period_to"], name="payments_source_file_source"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "accepted")),
                        fields=("sha256",),
                        name="payments_source_file_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("rows_path", ""),
                                ("state", "refused"),
                                models.Q(("refusals", []), _negated=True),
                            ),
                            models.Q(
                                ("refusals", []),
                                ("sha256__regex", "^[0-9a-f]{64}$"),
                                ("state", "accepted"),
                                models.Q(("rows_path", ""), _negated=True),
                                models.Q(("original_path", ""), _negated=True),
                                models.Q(("kind", ""), _negated=True),
                                models.Q(("source", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="payments_source_file_whole",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BankStatement",
            fields=[
                (
                    "id",
                    models.UUIDField(default=kernel.ids.new_id, primary_key=True, serialize=False),
                ),
                ("account", models.CharField(max_length=64)),
                ("currency", models.CharField(max_length=3)),
                ("statement_no", models.CharField(max_length=40)),
                ("sequence", models.BigIntegerField(null=True)),
                ("page", models.IntegerField(default=1)),
                ("opened_on", models.DateField()),
                ("closed_on", models.DateField()),
                ("opening_minor", models.BigIntegerField()),
                ("closing_minor", models.BigIntegerField()),
                ("entries", models.IntegerField()),
                (
                    "file",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="statements",
                        to="payments.sourcefile",
                    ),
                ),
            ],
            options={
                "db_table": "payments_bank_statement",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["account", "currency", "closed_on"],
                        name="payments_bank_statement_order",
                    )
                ],
            },
        ),
        *[migrations.RunSQL(protect_sql(table), migrations.RunSQL.noop) for table in TABLES],
        migrations.RunPython(allow, forbid),
    ]

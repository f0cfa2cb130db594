"""Runs of reconciliation, breaks over all runs, and what two people made of them."""

from pathlib import Path
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

from accounts.roles import Role, grant, withdraw
from audit.append_only import protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql" / "0008_reconciliation.sql"

FORWARD = "\n".join(
    [
        SQL.read_text().replace(":runtime_role", runtime_role()),
        protect_sql("payments_reconciliation_run"),
        protect_sql("payments_reconciliation_break_event"),
        protect_sql("payments_reconciliation_resolution", insert=False),
        protect_sql("payments_reconciliation_decision", insert=False),
    ]
)
BACK = """
DROP FUNCTION payments_decide_resolution(uuid, text, text, text);
DROP FUNCTION payments_propose_resolution(uuid, text, text, text, text, uuid, text, text);
DROP FUNCTION payments_adjustment_covers(payments_reconciliation_break, uuid);
DROP FUNCTION payments_write_off_role(text, text, bigint, boolean);
DROP TABLE payments_reconciliation_decision;
DROP TABLE payments_reconciliation_resolution;
DROP TABLE payments_write_off_limit;
DROP TABLE payments_write_off_code;
DROP TABLE payments_reconciliation_break_event;
DROP TABLE payments_reconciliation_break;
DROP FUNCTION payments_break_kept();
DROP TABLE payments_reconciliation_attempt;
DROP TABLE payments_reconciliation_run;
"""


SEE = "payments.run:view_reconciliation"
WORK = "payments.run:work_reconciliation"
DECIDE = "payments.run:decide_reconciliation"
RIGHTS = {
    Role.FINANCE: (SEE, WORK, DECIDE),
    Role.AUDITOR: (SEE,),
    Role.INSPECTOR: (SEE,),
    Role.ADMINISTRATOR: (SEE, DECIDE),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


def forbid(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        withdraw(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_fraud"),
        ("accounts", "0008_people_from_outside"),
        ("audit", "0001_append_only"),
        ("ledger", "0010_banks_and_disputes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("asked_by", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("cause", models.TextField(help_text="nightly, import, command, page")),
                ("provider", models.TextField(blank=True, help_text="Empty: all of them.")),
                ("as_of", models.DateTimeField(help_text="Empty: when it begins.", null=True)),
                ("dry_run", models.BooleanField()),
                ("state", models.TextField()),
                ("step", models.TextField()),
                ("done", models.IntegerField()),
                ("total", models.IntegerField()),
                ("tries", models.IntegerField()),
                ("beat_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("code", models.TextField()),
                ("message", models.TextField()),
            ],
            options={
                "db_table": "payments_reconciliation_attempt",
                "ordering": ["-asked_at"],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Break",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("side", models.TextField(help_text="ledger, psp, bank or both")),
                ("provider", models.TextField()),
                ("currency", models.TextField()),
                ("category", models.TextField()),
                ("ledger_entry", models.TextField(blank=True, help_text="account:seq")),
                ("transfer_id", models.UUIDField(null=True)),
                ("payment_id", models.UUIDField(null=True)),
                ("psp_ref", models.TextField(blank=True)),
                ("merchant_ref", models.TextField(blank=True)),
                ("payout_id", models.TextField(blank=True)),
                ("bank_ref", models.TextField(blank=True)),
                (
                    "psp_file",
                    models.TextField(blank=True, help_text="SHA-256 of the settlement file."),
                ),
                ("psp_row", models.BigIntegerField(null=True)),
                (
                    "bank_file",
                    models.TextField(blank=True, help_text="SHA-256 of the bank's file."),
                ),
                ("bank_row", models.BigIntegerField(null=True)),
                ("ledger_minor", models.BigIntegerField(null=True)),
                ("psp_gross_minor", models.BigIntegerField(null=True)),
                ("psp_currency", models.TextField(blank=True)),
                ("fee_minor", models.BigIntegerField(null=True)),
                ("net_minor", models.BigIntegerField(null=True)),
                ("bank_minor", models.BigIntegerField(null=True)),
                ("difference_minor", models.BigIntegerField()),
                ("status", models.TextField(blank=True)),
                ("detail", models.TextField(blank=True, help_text="What was expected, in words.")),
                ("booked_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("is_test", models.BooleanField()),
                ("facts_sha256", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[("open", "open"), ("resolved", "resolved"), ("cleared", "cleared")]
                    ),
                ),
                ("assignee_id", models.BigIntegerField(null=True)),
                (
                    "note",
                    models.TextField(blank=True, help_text="The newest note; all are events."),
                ),
            ],
            options={
                "db_table": "payments_reconciliation_break",
                "ordering": ["booked_at", "id"],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="BreakEvent",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_default=Now())),
                (
                    "kind",
                    models.TextField(
                        help_text="found, changed, cleared, reopened, assigned, noted, proposed, approved, refused, withdrawn"
                    ),
                ),
                ("actor", models.TextField()),
                ("resolution_id", models.UUIDField(null=True)),
                ("data", models.JSONField()),
            ],
            options={
                "db_table": "payments_reconciliation_break_event",
                "ordering": ["at", "id"],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Resolution",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("facts_sha256", models.TextField()),
                ("method", models.TextField()),
                ("code", models.TextField(blank=True)),
                ("adjustment_id", models.UUIDField(null=True)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.TextField()),
                ("note", models.TextField()),
                ("proposer", models.TextField()),
                ("proposer_role", models.TextField()),
                ("proposed_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_reconciliation_resolution",
                "ordering": ["-proposed_at"],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("provider", models.TextField(blank=True, help_text="Empty: all of them.")),
                ("as_of", models.DateTimeField()),
                ("window_from", models.DateTimeField()),
                ("policy_version", models.TextField()),
                ("code_version", models.TextField()),
                ("inputs", models.JSONField()),
                ("summary", models.JSONField()),
                ("report_sha256", models.TextField()),
                ("lines_sha256", models.TextField()),
                ("breaks_open", models.IntegerField()),
                ("finished_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "payments_reconciliation_run",
                "ordering": ["-as_of", "-finished_at"],
                "permissions": [
                    ("view_reconciliation", "Can see runs and breaks of reconciliation"),
                    (
                        "work_reconciliation",
                        "Can start runs, assign breaks and propose resolutions",
                    ),
                    ("decide_reconciliation", "Can decide resolutions of breaks"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ResolutionDecided",
            fields=[
                (
                    "resolution",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="decided",
                        serialize=False,
                        to="payments.resolution",
                    ),
                ),
                ("proposer", models.TextField()),
                ("decision", models.TextField()),
                ("approver", models.TextField()),
                ("approver_role", models.TextField()),
                ("note", models.TextField()),
                ("decided_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_reconciliation_decision",
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(FORWARD, BACK),
        migrations.RunPython(allow, forbid),
    ]

"""Disputes as providers report them; payments that are late; what of a deposit was taken back."""

from typing import Any, Final

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ids
from accounts.roles import Role, grant, withdraw
from audit.append_only import runtime_role

#: Until now what went back of a credited deposit was posted under one key.
WENT_BACK: Final = """
UPDATE payments_deposit d SET reversed_minor = amount_minor
    WHERE state = 'refunded' AND EXISTS (
        SELECT FROM ledger_batch b WHERE b.key = 'deposit:' || d.id || ':reversal')
"""
WORK: Final = ("payments.deposit:work_disputes",)


def _rights() -> str:
    """What a provider took, of which deposit, never changes; and no dispute is deleted."""
    role = runtime_role()
    return f"""
REVOKE ALL ON payments_dispute FROM PUBLIC, {role};
GRANT SELECT, INSERT ON payments_dispute TO {role};
GRANT UPDATE (fee_minor, fee_currency, reason, state, holds_payouts, changed_at, due_at,
        told_late_at, poll_at, polls, assignee_id, closed_at, closed_by, closed_note)
    ON payments_dispute TO {role};
"""


def allow(apps: Any, schema_editor: Any) -> None:
    for role in (Role.FINANCE, Role.COMPLIANCE):
        grant(apps, role, WORK)


def forbid(apps: Any, schema_editor: Any) -> None:
    for role in (Role.FINANCE, Role.COMPLIANCE):
        withdraw(apps, role, WORK)


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0013_event_position"),
        ("ledger", "0011_disputes"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProviderDispute",
            fields=[
                (
                    "id",
                    models.UUIDField(default=kernel.ids.new_id, primary_key=True, serialize=False),
                ),
                ("provider", models.CharField(max_length=32)),
                ("provider_ref", models.CharField(max_length=80)),
                ("player_id", models.BigIntegerField()),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("fee_minor", models.BigIntegerField(null=True)),
                ("fee_currency", models.CharField(blank=True, max_length=3)),
                ("reason", models.CharField(blank=True, max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[("opened", "opened"), ("won", "won"), ("lost", "lost")],
                        max_length=8,
                    ),
                ),
                ("is_booked_here", models.BooleanField()),
                ("holds_payouts", models.BooleanField(default=True)),
                (
                    "opened_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("due_at", models.DateTimeField()),
                ("told_late_at", models.DateTimeField(null=True)),
                ("poll_at", models.DateTimeField(null=True)),
                ("polls", models.IntegerField(default=0)),
                ("assignee_id", models.BigIntegerField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_by", models.CharField(blank=True, max_length=80)),
                ("closed_note", models.CharField(blank=True, max_length=400)),
            ],
            options={
                "db_table": "payments_dispute",
            },
        ),
        migrations.AddField(
            model_name="deposit",
            name="asked_with",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="deposit",
            name="case_reference",
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name="deposit",
            name="overdue_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="deposit",
            name="reversed_minor",
            field=models.BigIntegerField(default=0),
        ),
        migrations.RunSQL(WENT_BACK, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="withdrawal",
            name="case_reference",
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="overdue_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="deposit",
            index=models.Index(
                condition=models.Q(("expected_by__isnull", False), ("overdue_at__isnull", True)),
                fields=["expected_by"],
                name="payments_deposit_late",
            ),
        ),
        migrations.AddIndex(
            model_name="deposit",
            index=models.Index(
                condition=models.Q(("overdue_at__isnull", False)),
                fields=["overdue_at"],
                name="payments_deposit_overdue",
            ),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(
                condition=models.Q(("expected_by__isnull", False), ("overdue_at__isnull", True)),
                fields=["expected_by"],
                name="payments_withdrawal_late",
            ),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(
                condition=models.Q(("overdue_at__isnull", False)),
                fields=["overdue_at"],
                name="payments_withdrawal_overdue",
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reversed_minor__gte", 0), ("reversed_minor__lte", models.F("refunded_minor"))
                ),
                name="payments_deposit_reversed",
            ),
        ),
        migrations.AddField(
            model_name="providerdispute",
            name="deposit",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="disputes",
                to="payments.deposit",
            ),
        ),
        migrations.AddIndex(
            model_name="providerdispute",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", True)),
                fields=["due_at"],
                name="payments_dispute_open",
            ),
        ),
        migrations.AddIndex(
            model_name="providerdispute",
            index=models.Index(
                condition=models.Q(("poll_at__isnull", False)),
                fields=["poll_at"],
                name="payments_dispute_poll",
            ),
        ),
        migrations.AddIndex(
            model_name="providerdispute",
            index=models.Index(fields=["player_id"], name="payments_dispute_player"),
        ),
        migrations.AddConstraint(
            model_name="providerdispute",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_ref"), name="payments_dispute_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="providerdispute",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="payments_dispute_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="providerdispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("closed_by", ""), ("closed_note", "")),
                    models.Q(
                        ("closed_at__isnull", False), models.Q(("closed_by", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="payments_dispute_closed",
            ),
        ),
        migrations.AddConstraint(
            model_name="providerdispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "opened"), _negated=True),
                    ("closed_at__isnull", True),
                    _connector="OR",
                ),
                name="payments_dispute_closed_when_over",
            ),
        ),
        migrations.RunSQL(_rights(), migrations.RunSQL.noop),
        migrations.RunPython(allow, forbid),
    ]

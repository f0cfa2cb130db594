"""With what people pay, as providers name it; what of a deposit went back, and what it cost."""

from typing import Final

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ids
from audit.append_only import runtime_role

#: Until now a deposit went back whole or not at all.
WENT_BACK: Final = """
UPDATE payments_deposit SET refunded_minor = coalesce(arrived_minor, amount_minor)
    WHERE state = 'refunded'
"""


def _rights() -> str:
    """Whose an instrument is and what it is never changes, and none is deleted by a process."""
    role = runtime_role()
    return f"""
REVOKE ALL ON payments_instrument FROM PUBLIC, {role};
GRANT SELECT, INSERT ON payments_instrument TO {role};
GRANT UPDATE (brand, last4, country, holder, last_used, verified_at, removed_at)
    ON payments_instrument TO {role};
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_events_of_a_payment"),
    ]

    operations = [
        migrations.AddField(
            model_name="deposit",
            name="fee_currency",
            field=models.CharField(blank=True, max_length=3),
        ),
        migrations.AddField(
            model_name="deposit",
            name="fee_minor",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="deposit",
            name="refunded_minor",
            field=models.BigIntegerField(default=0),
        ),
        migrations.RunSQL(WENT_BACK, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Instrument",
            fields=[
                (
                    "id",
                    models.UUIDField(default=kernel.ids.new_id, primary_key=True, serialize=False),
                ),
                ("player_id", models.BigIntegerField()),
                ("provider", models.CharField(max_length=32)),
                ("token", models.CharField(max_length=120)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("card", "card"),
                            ("bank_account", "bank_account"),
                            ("wallet", "wallet"),
                        ],
                        max_length=16,
                    ),
                ),
                ("brand", models.CharField(blank=True, max_length=40)),
                ("last4", models.CharField(blank=True, max_length=4)),
                ("country", models.CharField(blank=True, max_length=2)),
                ("fingerprint", models.CharField(blank=True, max_length=120)),
                ("holder", models.CharField(blank=True, max_length=140)),
                (
                    "first_seen",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "last_used",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("verified_at", models.DateTimeField(null=True)),
                ("removed_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "payments_instrument",
                "indexes": [
                    models.Index(
                        fields=["player_id", "-last_used"], name="payments_instrument_player"
                    ),
                    models.Index(
                        condition=models.Q(("fingerprint", ""), _negated=True),
                        fields=["fingerprint"],
                        name="payments_instrument_print",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "token", "player_id"), name="payments_instrument_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("token", ""), _negated=True),
                        name="payments_instrument_token",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("last4__regex", "^[A-Za-z0-9]{0,4}$")),
                        name="payments_instrument_last4",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="deposit",
            name="instrument",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deposits",
                to="payments.instrument",
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("refunded_minor__gte", 0),
                    (
                        "refunded_minor__lte",
                        django.db.models.functions.comparison.Coalesce(
                            models.F("arrived_minor"), models.F("amount_minor")
                        ),
                    ),
                ),
                name="payments_deposit_refunded",
            ),
        ),
        migrations.RunSQL(_rights(), migrations.RunSQL.noop),
    ]

"""The ledger: tables, posting functions, rights."""

from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models

from audit.append_only import definer_only_sql, partitions_sql, protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql"
PARTITIONED = ("ledger_transfer", "ledger_entry", "ledger_permit")
APPEND_ONLY = (
    *PARTITIONED,
    "ledger_batch",
    "ledger_transfer_id",
    "ledger_currency",
    "ledger_account_kind",
    "ledger_route",
)


def script(name: str) -> str:
    return (SQL / name).read_text().replace(":runtime_role", runtime_role())


FORWARD = "\n".join(
    [
        script("0001_tables.sql"),
        *[partitions_sql(table) for table in PARTITIONED],
        *[protect_sql(table, insert=False) for table in APPEND_ONLY],
        definer_only_sql("ledger_account"),
        definer_only_sql("ledger_entry_line"),
        script("0002_posting.sql"),
        script("0003_accounts_and_permits.sql"),
        script("0004_rights.sql"),
    ]
)


class Migration(migrations.Migration):
    """There is no way back: a ledger is not dropped by a command."""

    initial = True
    dependencies = [("audit", "0001_append_only")]
    operations = [
        migrations.RunSQL(FORWARD),
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("currency", models.TextField()),
                ("scale", models.SmallIntegerField()),
                ("kind", models.TextField()),
                ("owner_ref", models.TextField()),
                ("floor", models.BigIntegerField(null=True)),
                ("posted", models.BigIntegerField()),
                ("held", models.BigIntegerField()),
                ("seq", models.BigIntegerField()),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "ledger_account", "managed": False, "ordering": ["id"]},
        ),
        migrations.CreateModel(
            name="Batch",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("key", models.TextField(unique=True)),
                ("fingerprint", models.BinaryField()),
                ("kind", models.TextField()),
                ("actor", models.TextField()),
                ("n", models.IntegerField()),
                (
                    "codes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(), null=True, size=None
                    ),
                ),
                (
                    "balances",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(null=True), null=True, size=None
                    ),
                ),
                ("posted_at", models.DateTimeField()),
            ],
            options={
                "db_table": "ledger_batch",
                "managed": False,
                "ordering": ["-id"],
                "verbose_name_plural": "batches",
            },
        ),
        migrations.CreateModel(
            name="TransferRow",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("batch", models.BigIntegerField()),
                ("item", models.IntegerField()),
                ("debit", models.BigIntegerField()),
                ("credit", models.BigIntegerField()),
                ("amount", models.BigIntegerField()),
                ("kind", models.TextField()),
                ("ref", models.TextField()),
                ("permit", models.UUIDField(null=True)),
                ("posted_at", models.DateTimeField()),
            ],
            options={
                "db_table": "ledger_transfer",
                "managed": False,
                "ordering": ["-batch", "-item"],
                "verbose_name": "transfer",
            },
        ),
        migrations.CreateModel(
            name="EntryLine",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("account", models.BigIntegerField()),
                ("seq", models.BigIntegerField()),
                ("transfer", models.UUIDField()),
                ("amount", models.BigIntegerField()),
                ("balance_after", models.BigIntegerField()),
                ("posted_at", models.DateTimeField()),
            ],
            options={
                "db_table": "ledger_entry_line",
                "managed": False,
                "ordering": ["account", "-seq"],
                "verbose_name": "entry",
                "verbose_name_plural": "entries",
            },
        ),
    ]

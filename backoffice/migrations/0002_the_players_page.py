"""Notes about players, and who may open, read and do what on a player's page."""

from typing import Any

from django.db import migrations, models
from django.db.models.functions import Now

from accounts.roles import Role, grant
from audit.append_only import protect_sql

OPEN = "accounts.player:open_file"
IDENTITY = "accounts.player:see_identity"
STOP = "compliance.standing:stop_player"
STANDING = ("compliance.view_standing", "compliance.view_limitchange")
PAYMENTS = ("payments.view_deposit", "payments.view_withdrawal")
NOTES = ("backoffice.view_playernote", "backoffice.add_playernote")
CONFIDENTIAL = "backoffice.playernote:read_confidential"

#: The whole of a round as a file: with players' numbers and money.
EVIDENCE = "tables.round:take_evidence"

RIGHTS = {
    Role.COMPLIANCE: (EVIDENCE, OPEN, IDENTITY, STOP, *STANDING, *PAYMENTS, *NOTES, CONFIDENTIAL),
    Role.FINANCE: (OPEN, *PAYMENTS, *NOTES),
    Role.AUDITOR: (
        EVIDENCE, OPEN, IDENTITY, *STANDING, *PAYMENTS, "backoffice.view_playernote", CONFIDENTIAL
    ),
    Role.ADMINISTRATOR: (EVIDENCE, OPEN, IDENTITY, STOP, *STANDING, *PAYMENTS, *NOTES),
}  # fmt: skip


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0001_who_may_look_at_the_books"),
        ("payments", "0002_transitions"),
        ("compliance", "0002_records"),
        ("tables", "0003_who_may_look"),
    ]
    operations = [
        migrations.CreateModel(
            name="PlayerNote",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("player_id", models.BigIntegerField()),
                ("at", models.DateTimeField(db_default=Now())),
                ("author", models.CharField(max_length=80)),
                (
                    "audience",
                    models.CharField(
                        choices=[
                            ("everybody", "everybody who opens this page"),
                            ("compliance", "compliance only"),
                        ],
                        max_length=12,
                    ),
                ),
                ("text", models.CharField(max_length=2000)),
                ("key", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["-at"],
                "indexes": [models.Index(fields=["player_id", "-at"], name="note_of_player")],
                "constraints": [
                    models.UniqueConstraint(fields=["author", "key"], name="note_key_once"),
                    models.CheckConstraint(
                        condition=~models.Q(text=""), name="note_says_something"
                    ),
                ],
            },
        ),
        migrations.RunSQL(protect_sql("backoffice_playernote"), migrations.RunSQL.noop),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

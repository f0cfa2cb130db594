"""Since when a provider may know of a part of a withdrawal."""

from typing import Final

from django.db import migrations, models

from audit.append_only import runtime_role

#: What waits to be submitted may have been asked for by a process that ended meanwhile.
ASKED: Final = "UPDATE payments_withdrawal SET asked_at = changed_at WHERE state = 'approved'"


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0018_payment_rights"),
    ]

    operations = [
        migrations.AddField(
            model_name="withdrawal",
            name="asked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(
            f"GRANT UPDATE (asked_at) ON payments_withdrawal TO {runtime_role()}",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(ASKED, migrations.RunSQL.noop),
    ]

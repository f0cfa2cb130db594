"""Whose payment an event speaks of is a column: erasing somebody's events reads no payload."""

from typing import Final

from django.db import migrations, models

#: Until now there was one provider, whose events name the payment so.
KNOWN: Final = r"""
UPDATE payments_providerevent SET payment_id = (payload #>> '{data,merchant_reference}')::uuid
    WHERE payload #>> '{data,merchant_reference}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_payments_by_time")]

    operations = [
        migrations.AddField(
            model_name="providerevent",
            name="payment_id",
            field=models.UUIDField(db_index=True, null=True),
        ),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]

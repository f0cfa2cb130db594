"""The lease of the `beat` role. The runtime role may take leases, not make them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("events", "0001_streams")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO event_relay_lease (name) VALUES ('beat')",
            "DELETE FROM event_relay_lease WHERE name = 'beat'",
        )
    ]

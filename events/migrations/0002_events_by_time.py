"""Finding the newest events of all streams, for those who seal them."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("events", "0001_streams")]
    operations: ClassVar = [
        migrations.RunSQL("CREATE INDEX event_at ON event (at)", "DROP INDEX event_at"),
    ]

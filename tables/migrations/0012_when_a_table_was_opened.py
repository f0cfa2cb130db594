"""When a table was last opened; null for those that were open before this was kept."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tables", "0011_settings_again")]

    operations: ClassVar = [
        migrations.AddField("table", "opened_at", models.DateTimeField(null=True)),
    ]

"""Settings, shifts and devices, as reviewed."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tables", "0010_incidents_again")]

    operations: ClassVar = []

"""Incidents, entries by hand and corrections, as reviewed."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tables", "0009_devices_and_settings")]

    operations: ClassVar = []

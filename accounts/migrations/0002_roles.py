"""The groups of staff, with the rights over people that each role has."""

from typing import Any

from django.db import migrations

from accounts.roles import PEOPLE, grant


def make(apps: Any, schema_editor: Any) -> None:
    for role, permissions in PEOPLE.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]

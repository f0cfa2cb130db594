"""Who may collect what a player owes."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.FINANCE, ("payments.deposit:collect_debt",))


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0007_who_may_charge_back")]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]

"""Who agrees to withdrawals, and who says that a bank account is a player's own."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant, withdraw

AGREE = "payments.withdrawal:approve_withdrawal"
VERIFY = "payments.instrument:verify_payout_account"

RIGHTS = {
    Role.FINANCE: (AGREE, VERIFY),
    Role.COMPLIANCE: (VERIFY,),
    Role.ADMINISTRATOR: (AGREE,),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


def forbid(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        withdraw(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0011_data_rights"),
        ("payments", "0006_withdrawals_in_parts"),
    ]
    operations = [migrations.RunPython(allow, forbid)]

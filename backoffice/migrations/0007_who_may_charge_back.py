"""Who may see, enter and decide chargebacks: as with adjustments, and limits are read there."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant

SEE = "payments.deposit:view_chargebacks"
PROPOSE = "payments.deposit:propose_chargeback"
DECIDE = "payments.deposit:decide_chargeback"

RIGHTS = {
    Role.FINANCE: (SEE, PROPOSE, DECIDE),
    Role.COMPLIANCE: (SEE,),
    Role.AUDITOR: (SEE,),
    Role.ADMINISTRATOR: (SEE, DECIDE),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0006_who_may_adjust"),
        ("ledger", "0005_chargebacks"),
        ("payments", "0002_transitions"),
    ]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]

"""Which roles may look at the books and the record in the staff pages. Nobody may change them.

Here, since neither the ledger nor the audit record may know of people and roles.
"""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant

BOOKS = (
    "ledger.view_account",
    "ledger.view_batch",
    "ledger.view_transferrow",
    "ledger.view_entryline",
)
RECORD = ("audit.view_auditevent",)

RIGHTS = {
    Role.FINANCE: BOOKS,
    Role.COMPLIANCE: BOOKS + RECORD,
    Role.AUDITOR: BOOKS + RECORD,
    Role.ADMINISTRATOR: BOOKS + RECORD,
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_roles"),
        ("ledger", "0001_ledger"),
        ("audit", "0002_record"),
    ]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]

"""Which roles may take the books and the record away as files."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant

BOOKS = "ledger.transferrow:export_books"
RECORD = "audit.auditevent:export_record"

RIGHTS = {
    Role.FINANCE: (BOOKS,),
    Role.COMPLIANCE: (BOOKS, RECORD),
    Role.AUDITOR: (BOOKS, RECORD),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0003_api_tokens")]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]

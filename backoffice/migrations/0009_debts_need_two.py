"""A debt is collected by two people of the books: nobody collects one alone any more."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant, withdraw

COLLECT = ("payments.deposit:collect_debt",)


def forbid(apps: Any, schema_editor: Any) -> None:
    withdraw(apps, Role.FINANCE, COLLECT)


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.FINANCE, COLLECT)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0008_who_may_collect"),
        ("ledger", "0007_decided_by_two"),
    ]
    operations = [migrations.RunPython(forbid, allow)]

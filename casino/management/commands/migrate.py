"""`migrate`, as the owner role, with the runtime role's ordinary rights prepared first."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connection

from audit.append_only import runtime_role


class Command(MigrateCommand):
    """Django's migrate, after default privileges that let the runtime role use new tables.

    Append-only and ledger tables take those rights away again in their own migrations. Refuses to
    run as the runtime role: a role that migrates owns the tables and could rewrite them.
    In a demo and in tests the set-up may appoint for good; in production never after the first
    administrator, and this closes what another mode had opened.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        role = runtime_role()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            current = cursor.fetchone()[0]
            if current == role:
                raise CommandError(
                    f"migrate runs as the owner role: set FARO_ROLE=owner and DATABASE_OWNER_URL "
                    f"(now connected as the runtime role {role})"
                )
            for rights, things in (
                ("SELECT, INSERT, UPDATE, DELETE", "TABLES"),
                ("USAGE, SELECT", "SEQUENCES"),
            ):
                cursor.execute(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
                    f"GRANT {rights} ON {things} TO {role}"
                )
            cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        super().handle(*args, **options)
        _open_or_close_set_up()


def _open_or_close_set_up() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('accounts_set_up_open')")
        if cursor.fetchone()[0] is None:  # migrated to an earlier state
            return
        cursor.execute("DELETE FROM accounts_set_up_open")
        if settings.FARO_MODE != "production":
            cursor.execute("INSERT INTO accounts_set_up_open DEFAULT VALUES")

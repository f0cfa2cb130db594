"""What a payment is never changes: no process writes more of it than where it stands."""

from typing import Any, Final

from django.db import migrations

from audit.append_only import runtime_role

#: Whose it is, by which provider, of how much, since when, and where a part of a withdrawal goes.
FIXED: Final = {
    "payments_deposit": (
        *("id", "player_id", "provider", "key", "amount_minor", "currency", "created_at"),
        *("return_url", "asked_with"),
    ),
    "payments_withdrawal": (
        *("id", "player_id", "provider", "key", "amount_minor", "currency", "created_at"),
        *("request_id", "part", "route", "source_deposit_id", "instrument_id", "asked_account"),
    ),
}


def narrow(apps: Any, schema_editor: Any) -> None:
    """Every other column may be updated; a column that comes later needs its own grant."""
    role = runtime_role()
    for table, fixed in FIXED.items():
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
                " AND attname <> ALL (%s)",
                [table, list(fixed)],
            )
            [columns] = cursor.fetchone()
        schema_editor.execute(f"REVOKE ALL ON {table} FROM PUBLIC, {role}")
        schema_editor.execute(f"GRANT SELECT, INSERT, UPDATE ({columns}) ON {table} TO {role}")


def widen(apps: Any, schema_editor: Any) -> None:
    role = runtime_role()
    for table in FIXED:
        schema_editor.execute(f"REVOKE ALL ON {table} FROM {role}")
        schema_editor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0017_no_source_under_review"),
    ]

    operations = [migrations.RunPython(narrow, widen)]

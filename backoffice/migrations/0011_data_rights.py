"""Requests about one's data, decided by officers; the erasure and when each class of record goes."""

from pathlib import Path
from typing import Any, Final

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import definer_only_sql, protect_sql, runtime_role

SQL: Final = "".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("0011_data_requests.sql", "0011_data_rights.sql")
)
#: Words rest while a player is erased, and so do notes about players.
RESTING: Final = ("backoffice_data_word", "backoffice_playernote")
DROP: Final = """
DROP FUNCTION backoffice_erase(uuid, text);
DROP FUNCTION backoffice_erase_identity(bigint);
DROP FUNCTION backoffice_erase_notices(bigint, text);
DROP TABLE backoffice_erasure_done, backoffice_erasure_item, backoffice_erasure,
    backoffice_retention_floor, backoffice_data_link, backoffice_data_word,
    backoffice_data_request;
DROP FUNCTION backoffice_erasure_item_check();
DROP FUNCTION backoffice_erasure_check();
DROP FUNCTION backoffice_erasure_hold(bigint, text);
DROP FUNCTION backoffice_erasure_due(uuid, text, timestamptz);
DROP FUNCTION backoffice_kept_until(bigint, text);
DROP FUNCTION backoffice_relationship_end(bigint);
DROP FUNCTION backoffice_data_link_once();
DROP FUNCTION backoffice_data_link_closed();
DROP FUNCTION backoffice_data_word_check();
"""


KEPT: Final = (
    "backoffice_data_request",
    "backoffice_data_word",
    "backoffice_erasure",
    "backoffice_erasure_item",
)
#: A link is used up and else stays; only the erasure itself is called by the processes.
RIGHTS: Final = """
REVOKE ALL ON backoffice_data_link FROM PUBLIC, {role};
GRANT SELECT ON backoffice_data_link TO {role};
GRANT INSERT (id, player_id, token_hash, expires_at) ON backoffice_data_link TO {role};
GRANT UPDATE (used_at) ON backoffice_data_link TO {role};
REVOKE ALL ON FUNCTION backoffice_erase(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION backoffice_erase_identity(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION backoffice_erase_notices(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backoffice_erase(uuid, text) TO {role};
"""
GUARD: Final = """
DROP TRIGGER {table}_no_change ON {table};
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW {condition} EXECUTE FUNCTION audit_refuse_change();
"""
RESTS: Final = "WHEN (NOT accounts_is_erasing())"


def _rights() -> str:
    parts = [protect_sql(table) for table in KEPT]
    parts += [protect_sql("backoffice_erasure_done", insert=False)]
    parts += [definer_only_sql("backoffice_retention_floor")]
    parts += [GUARD.format(table=table, condition=RESTS) for table in RESTING]
    return "".join([*parts, RIGHTS.format(role=runtime_role())])


VIEW: Final = "backoffice.datarequest:view_data_requests"
WORK: Final = "backoffice.datarequest:work_data_requests"


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.COMPLIANCE, (VIEW, WORK))
    grant(apps, Role.AUDITOR, (VIEW,))


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0010_the_inspector"),
        ("accounts", "0009_erased_people"),
        ("compliance", "0020_what_outlives_an_erasure"),
        ("payments", "0004_events_of_a_payment"),
        ("notices", "0001_initial"),
        ("tables", "0002_records_of_play"),
        ("ledger", "0008_closed_routes"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("usersessions", "0001_initial"),
        ("sessions", "0001_initial"),
        ("otp_totp", "0003_add_timestamps"),
        ("otp_static", "0003_add_timestamps"),
    ]
    operations = [
        migrations.RunSQL(
            SQL + _rights(), GUARD.format(table="backoffice_playernote", condition="") + DROP
        ),
        migrations.CreateModel(
            name="DataRequest",
            fields=[("id", models.UUIDField(primary_key=True, serialize=False))],
            options={
                "db_table": "backoffice_data_request",
                "permissions": [
                    ("view_data_requests", "Can see requests about one's data"),
                    ("work_data_requests", "Can decide requests about one's data"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

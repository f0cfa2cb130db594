"""Tokens of the API: who they stand for, what they may read, until when. Never the token itself."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant
from audit.append_only import runtime_role

TABLE = """
CREATE TABLE backoffice_api_token (
    id uuid PRIMARY KEY,
    owner_id bigint NOT NULL REFERENCES accounts_user (id),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 80),
    hint text NOT NULL CHECK (length(hint) = 4),
    hash text NOT NULL UNIQUE CHECK (hash ~ '^[0-9a-f]{64}$'),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    made_by bigint NOT NULL REFERENCES accounts_user (id),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    revoked_by bigint REFERENCES accounts_user (id),
    revoked_at timestamptz,
    last_used_at timestamptz,
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    UNIQUE (made_by, key),
    CHECK (expires_at > made_at AND expires_at <= made_at + interval '367 days'),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

CREATE FUNCTION backoffice_api_token_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['revoked_by', 'revoked_at', 'last_used_at']
            <> to_jsonb(OLD) - ARRAY['revoked_by', 'revoked_at', 'last_used_at']
        OR (OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at
            OR NEW.revoked_by IS DISTINCT FROM OLD.revoked_by)) THEN
        RAISE EXCEPTION 'append_only: a token is revoked once and else never changes'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER backoffice_api_token_change BEFORE UPDATE ON backoffice_api_token
    FOR EACH ROW EXECUTE FUNCTION backoffice_api_token_change();
CREATE TRIGGER backoffice_api_token_no_delete BEFORE DELETE ON backoffice_api_token
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""

DROP = "DROP TABLE backoffice_api_token; DROP FUNCTION backoffice_api_token_change();"


def _rights() -> str:
    role = runtime_role()
    return f"""
REVOKE ALL ON backoffice_api_token FROM PUBLIC, {role};
GRANT SELECT ON backoffice_api_token TO {role};
GRANT INSERT (id, owner_id, name, hint, hash, scopes, made_by, expires_at, key)
    ON backoffice_api_token TO {role};
GRANT UPDATE (revoked_by, revoked_at, last_used_at) ON backoffice_api_token TO {role};
"""


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.ADMINISTRATOR, ("accounts.user:manage_api_tokens",))


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0002_the_players_page"),
        ("accounts", "0003_ratecounter_unlockcode"),
        ("audit", "0001_append_only"),
    ]
    operations = [
        migrations.RunSQL(TABLE + _rights(), DROP),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

"""What is known of players from outside the gate: national registers, their place, likenesses.

Answers, entries and facts are append-only. `compliance_admission` is the one row per player that
the gate reads; a likeness is decided once, which the database keeps.
"""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

TABLES = """
CREATE TABLE compliance_admission (
    player_id bigint PRIMARY KEY REFERENCES accounts_user (id),
    registry text NOT NULL DEFAULT '',
    registry_outcome text NOT NULL DEFAULT ''
        CHECK (registry_outcome IN ('', 'excluded', 'clear', 'indeterminate')),
    registry_valid_until timestamptz,
    registry_due_at timestamptz,
    registry_tries integer NOT NULL DEFAULT 0,
    place text NOT NULL DEFAULT '',
    place_outcome text NOT NULL DEFAULT ''
        CHECK (place_outcome IN ('', 'allowed', 'not_allowed', 'unknown')),
    place_valid_until timestamptz,
    likenesses integer NOT NULL DEFAULT 0 CHECK (likenesses >= 0)
);
CREATE INDEX compliance_admission_due ON compliance_admission (registry_due_at)
    WHERE registry_due_at IS NOT NULL;
CREATE TABLE compliance_registry_answer (
    id uuid PRIMARY KEY,
    player_id bigint REFERENCES accounts_user (id),
    registry text NOT NULL CHECK (registry <> ''),
    purpose text NOT NULL CHECK (purpose IN ('register', 'login', 'marketing')),
    outcome text NOT NULL CHECK (outcome IN ('excluded', 'clear', 'indeterminate')),
    reference text NOT NULL,
    detail text NOT NULL,
    checked_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL CHECK (valid_until >= checked_at),
    policy text NOT NULL
);
CREATE INDEX compliance_registry_answer_player
    ON compliance_registry_answer (player_id, checked_at);
CREATE TABLE compliance_person_facts (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    person_key uuid NOT NULL,
    personal bytea NOT NULL
);
CREATE INDEX compliance_person_facts_player ON compliance_person_facts (player_id, at);
CREATE TABLE compliance_register_entry (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    since timestamptz NOT NULL,
    address_key text NOT NULL CHECK (address_key <> ''),
    by_actor text NOT NULL CHECK (by_actor <> '')
);
CREATE INDEX compliance_register_entry_player ON compliance_register_entry (player_id);
CREATE INDEX compliance_register_entry_browser ON compliance_register_entry (address_key);
CREATE TABLE compliance_likeness (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    excluded_id bigint NOT NULL REFERENCES accounts_user (id),
    score integer NOT NULL CHECK (score BETWEEN 0 AND 1000),
    name_score integer NOT NULL,
    birth text NOT NULL,
    by_browser boolean NOT NULL,
    by_instrument boolean NOT NULL DEFAULT false,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by bigint REFERENCES accounts_user (id),
    is_same boolean,
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 2000),
    CHECK (player_id <> excluded_id),
    CHECK ((decided_at IS NULL) = (is_same IS NULL)
        AND (decided_at IS NULL) = (decided_by IS NULL)
        AND (decided_at IS NULL) = (reason = '')),
    UNIQUE (player_id, excluded_id)
);
CREATE INDEX compliance_likeness_waiting ON compliance_likeness (due_at) WHERE decided_at IS NULL;
CREATE INDEX accounts_player_born ON accounts_player (date_of_birth);
"""

KEEPING = """
CREATE FUNCTION compliance_likeness_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.decided_at IS NOT NULL OR NEW.decided_at IS NULL THEN
        RAISE EXCEPTION 'exclusion: a likeness is decided once and stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.id := OLD.id; NEW.player_id := OLD.player_id; NEW.excluded_id := OLD.excluded_id;
    NEW.score := OLD.score; NEW.found_at := OLD.found_at; NEW.due_at := OLD.due_at;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_likeness_check BEFORE UPDATE OR DELETE ON compliance_likeness
    FOR EACH ROW EXECUTE FUNCTION compliance_likeness_check();
CREATE TRIGGER compliance_likeness_no_truncate BEFORE TRUNCATE ON compliance_likeness
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

RECORDS = (
    "compliance_registry_answer",
    "compliance_person_facts",
    "compliance_register_entry",
)

DROP = (
    "DROP INDEX accounts_player_born;"
    " DROP TABLE compliance_likeness, compliance_register_entry, compliance_person_facts,"
    " compliance_registry_answer, compliance_admission;"
    " DROP FUNCTION compliance_likeness_check();"
)


def _rights() -> str:
    role = runtime_role()
    return f"""
REVOKE ALL ON compliance_admission, compliance_likeness FROM PUBLIC, {role};
GRANT SELECT, INSERT, UPDATE ON compliance_admission TO {role};
GRANT SELECT, INSERT ON compliance_likeness TO {role};
GRANT UPDATE (decided_at, decided_by, is_same, reason) ON compliance_likeness TO {role};
"""


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.COMPLIANCE, ("compliance.likeness:guard_exclusions",))


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0004_limits_and_time"),
        ("accounts", "0006_rights_by_appointment"),
    ]
    operations = [
        migrations.RunSQL(
            TABLES + KEEPING + "".join(protect_sql(table) for table in RECORDS) + _rights(), DROP
        ),
        migrations.CreateModel(
            name="Likeness",
            fields=[("id", models.UUIDField(primary_key=True, serialize=False))],
            options={
                "db_table": "compliance_likeness",
                "permissions": [
                    ("guard_exclusions", "Can exclude players and decide who is an excluded person")
                ],
                "managed": False,
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

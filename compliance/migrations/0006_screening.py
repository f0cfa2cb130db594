"""Lists in versions, checks of players against them, hits, and what officers said of each.

Everything but the pointer to the active list is append-only. A list's entries are kept by their
content: a version that says the same of somebody points to the same row. What an officer says is
kept by the database: a sure or a true hit takes two people, and nobody decides their own proposal.
"""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

TABLES = """
CREATE TABLE compliance_screening_list (
    id uuid PRIMARY KEY,
    source text NOT NULL CHECK (source ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    format text NOT NULL CHECK (format IN ('ofac', 'csv')),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes bigint NOT NULL CHECK (bytes > 0),
    entries integer NOT NULL CHECK (entries > 0),
    names integer NOT NULL CHECK (names >= entries),
    loaded_by text NOT NULL CHECK (loaded_by <> ''),
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text NOT NULL DEFAULT ''
);
CREATE INDEX compliance_screening_list_source ON compliance_screening_list (source, loaded_at);
CREATE TABLE compliance_screening_refused (
    id uuid PRIMARY KEY,
    source text NOT NULL,
    sha256 text NOT NULL,
    code text NOT NULL CHECK (code <> ''),
    data jsonb NOT NULL DEFAULT '{}',
    loaded_by text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE compliance_screening_active (
    source text PRIMARY KEY,
    list_id uuid NOT NULL REFERENCES compliance_screening_list (id),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE compliance_screening_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    ref text NOT NULL,
    digest text NOT NULL,
    kind text NOT NULL,
    names text[] NOT NULL CHECK (array_length(names, 1) > 0),
    births text[] NOT NULL,
    countries text[] NOT NULL,
    programme text NOT NULL,
    UNIQUE (source, ref, digest)
);
CREATE TABLE compliance_screening_member (
    list_id uuid NOT NULL REFERENCES compliance_screening_list (id),
    entry_id bigint NOT NULL REFERENCES compliance_screening_entry (id),
    PRIMARY KEY (list_id, entry_id)
);
CREATE TABLE compliance_screening_check (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    facts_digest text NOT NULL,
    lists_digest text NOT NULL,
    lists jsonb NOT NULL,
    matcher text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('clear', 'hits', 'no_name')),
    hits integer NOT NULL CHECK (hits >= 0 AND (hits > 0) = (outcome = 'hits')),
    UNIQUE (player_id, lists_digest, matcher, facts_digest)
);
CREATE TABLE compliance_screening_hit (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    entry_id bigint NOT NULL REFERENCES compliance_screening_entry (id),
    facts_digest text NOT NULL,
    list_id uuid NOT NULL REFERENCES compliance_screening_list (id),
    matcher text NOT NULL,
    level text NOT NULL CHECK (level IN ('candidate', 'escalate')),
    score integer NOT NULL CHECK (score BETWEEN 0 AND 1000),
    name_score integer NOT NULL,
    listed_name text NOT NULL,
    birth text NOT NULL,
    country text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL,
    UNIQUE (player_id, entry_id, facts_digest)
);
CREATE INDEX compliance_screening_hit_found ON compliance_screening_hit (found_at);
CREATE TABLE compliance_screening_word (
    id uuid PRIMARY KEY,
    hit_id uuid NOT NULL REFERENCES compliance_screening_hit (id),
    no integer NOT NULL CHECK (no > 0),
    step text NOT NULL CHECK (step IN ('proposed', 'decided', 'returned')),
    is_true boolean NOT NULL,
    reason text NOT NULL CHECK (reason <> '' AND length(reason) <= 2000),
    by_staff bigint NOT NULL REFERENCES accounts_user (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    UNIQUE (hit_id, no),
    UNIQUE (hit_id, by_staff, key)
);
"""

KEEPING = """
CREATE FUNCTION compliance_screening_word_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    hit compliance_screening_hit;
    last compliance_screening_word;
BEGIN
    SELECT * INTO hit FROM compliance_screening_hit WHERE id = NEW.hit_id;
    SELECT * INTO last FROM compliance_screening_word WHERE hit_id = NEW.hit_id
        ORDER BY no DESC LIMIT 1;
    IF NEW.no <> coalesce(last.no, 0) + 1 OR last.step = 'decided' THEN
        RAISE EXCEPTION 'screening: this hit has moved on' USING ERRCODE = 'restrict_violation';
    END IF;
    IF last.step = 'proposed' THEN
        IF NEW.step = 'proposed' OR NEW.by_staff = last.by_staff OR NEW.is_true <> last.is_true THEN
            RAISE EXCEPTION 'screening: a proposal is decided by somebody else, or returned'
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NEW.step = 'returned'
        OR (NEW.step = 'decided' AND (NEW.is_true OR hit.level = 'escalate')) THEN
        RAISE EXCEPTION 'screening: a sure or a true hit takes two people'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_screening_word_check BEFORE INSERT ON compliance_screening_word
    FOR EACH ROW EXECUTE FUNCTION compliance_screening_word_check();
"""

RECORDS = (
    "compliance_screening_list",
    "compliance_screening_refused",
    "compliance_screening_entry",
    "compliance_screening_member",
    "compliance_screening_check",
    "compliance_screening_hit",
    "compliance_screening_word",
)

DROP = (
    "DROP TABLE compliance_screening_word, compliance_screening_hit, compliance_screening_check,"
    " compliance_screening_member, compliance_screening_active, compliance_screening_entry,"
    " compliance_screening_refused, compliance_screening_list;"
    " DROP FUNCTION compliance_screening_word_check();"
)


def _rights() -> str:
    role = runtime_role()
    return f"""
REVOKE ALL ON compliance_screening_active FROM PUBLIC, {role};
GRANT SELECT, INSERT ON compliance_screening_active TO {role};
GRANT UPDATE (list_id, since) ON compliance_screening_active TO {role};
"""


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.COMPLIANCE, ("compliance.screeninghit:work_screening",))


class Migration(migrations.Migration):
    dependencies = [("compliance", "0003_cases"), ("accounts", "0006_rights_by_appointment")]
    operations = [
        migrations.RunSQL(
            TABLES + KEEPING + "".join(protect_sql(table) for table in RECORDS) + _rights(), DROP
        ),
        migrations.CreateModel(
            name="ScreeningHit",
            fields=[("id", models.UUIDField(primary_key=True, serialize=False))],
            options={
                "db_table": "compliance_screening_hit",
                "permissions": [("work_screening", "Can load lists and decide hits")],
                "managed": False,
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

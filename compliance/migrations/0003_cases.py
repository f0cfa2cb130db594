"""Cases with their append-only history, what callers answered, and who works on them.

A case is kept for five years after it closed: deletion is refused before, also to the owner, and
the running role deletes only through a function that looks at the same date.
"""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

TABLES = """
CREATE TABLE compliance_case (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE CHECK (reference ~ '^[A-Z2-9]{3}-[A-Z2-9]{4}$'),
    kind text NOT NULL CHECK (kind IN ('complaint', 'dispute', 'cheat_report', 'suspicion')),
    state text NOT NULL DEFAULT 'opened' CHECK (state IN
        ('opened', 'acknowledged', 'waiting', 'answered', 'final', 'closed')),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    round_id uuid,
    bets jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(bets) = 'array'),
    subject text NOT NULL CHECK (subject <> '' AND length(subject) <= 200),
    opened_by text NOT NULL CHECK (opened_by <> ''),
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    fingerprint text NOT NULL,
    policy text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledge_by timestamptz NOT NULL,
    answer_by timestamptz NOT NULL,
    due_at timestamptz,
    assignee_id bigint REFERENCES accounts_user (id),
    acknowledged_at timestamptz,
    answered_at timestamptz,
    closed_at timestamptz,
    outcome text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'upheld', 'partly_upheld', 'rejected')),
    version integer NOT NULL DEFAULT 1,
    UNIQUE (opened_by, key),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK (kind <> 'dispute' OR round_id IS NOT NULL),
    CHECK (state NOT IN ('answered', 'final') OR (answered_at IS NOT NULL AND outcome <> '')),
    CHECK (answer_by > acknowledge_by)
);
CREATE INDEX compliance_case_player ON compliance_case (player_id, opened_at);
CREATE INDEX compliance_case_due ON compliance_case (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX compliance_case_closed ON compliance_case (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE compliance_case_event (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES compliance_case (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind <> ''),
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    audience text NOT NULL CHECK (audience IN ('player', 'desk', 'confidential')),
    text text NOT NULL DEFAULT '' CHECK (length(text) <= 8000),
    data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
    key text NOT NULL DEFAULT '' CHECK (length(key) <= 64)
);
CREATE INDEX compliance_case_event_case ON compliance_case_event (case_id, at);
CREATE UNIQUE INDEX compliance_case_event_key ON compliance_case_event (case_id, actor_id, key)
    WHERE key <> '';

CREATE TABLE compliance_caller_answer (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    player_id bigint NOT NULL,
    staff_id bigint NOT NULL,
    question text NOT NULL CHECK (question <> ''),
    is_right boolean NOT NULL,
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    UNIQUE (staff_id, key)
);
CREATE INDEX compliance_caller_answer_player ON compliance_caller_answer (player_id, at);
"""

KEEPING = """
CREATE FUNCTION compliance_case_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'append_only: a closed case does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.version <> OLD.version + 1 OR to_jsonb(NEW)
            - ARRAY['state', 'due_at', 'assignee_id', 'acknowledged_at', 'answered_at', 'closed_at',
                'outcome', 'version']
        <> to_jsonb(OLD)
            - ARRAY['state', 'due_at', 'assignee_id', 'acknowledged_at', 'answered_at', 'closed_at',
                'outcome', 'version'] THEN
        RAISE EXCEPTION 'append_only: what a case is about does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.closed_at := CASE WHEN NEW.state = 'closed' THEN clock_timestamp() END;
    RETURN NEW;
END $$;

CREATE FUNCTION compliance_case_is_over(which uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM compliance_case
        WHERE id = which AND kind <> 'suspicion'
            AND closed_at + interval '5 years' < clock_timestamp())
$$;

CREATE FUNCTION compliance_case_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    which uuid := CASE TG_TABLE_NAME WHEN 'compliance_case' THEN OLD.id
        ELSE (to_jsonb(OLD) ->> 'case_id')::uuid END;
BEGIN
    IF NOT compliance_case_is_over(which) THEN
        RAISE EXCEPTION 'append_only: a case is kept for five years after it closed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION compliance_purge_case(which uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT compliance_case_is_over(which) THEN
        RETURN false;
    END IF;
    DELETE FROM compliance_case_event WHERE case_id = which;
    DELETE FROM compliance_case WHERE id = which;
    RETURN true;
END $$;

CREATE TRIGGER compliance_case_change BEFORE UPDATE ON compliance_case
    FOR EACH ROW EXECUTE FUNCTION compliance_case_change();
CREATE TRIGGER compliance_case_keep BEFORE DELETE ON compliance_case
    FOR EACH ROW EXECUTE FUNCTION compliance_case_keep();
CREATE TRIGGER compliance_case_no_truncate BEFORE TRUNCATE ON compliance_case
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER compliance_case_event_no_change BEFORE UPDATE ON compliance_case_event
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER compliance_case_event_keep BEFORE DELETE ON compliance_case_event
    FOR EACH ROW EXECUTE FUNCTION compliance_case_keep();
CREATE TRIGGER compliance_case_event_no_truncate BEFORE TRUNCATE ON compliance_case_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

DROP = """
DROP TABLE compliance_caller_answer, compliance_case_event, compliance_case;
DROP FUNCTION compliance_purge_case(uuid);
DROP FUNCTION compliance_case_keep();
DROP FUNCTION compliance_case_is_over(uuid);
DROP FUNCTION compliance_case_change();
"""


def _rights() -> str:
    """The running role never dates a case itself and never deletes one but through the function."""
    role = runtime_role()
    columns = (
        "id, reference, kind, player_id, round_id, bets, subject, opened_by, key, fingerprint,"
        " policy, acknowledge_by, answer_by, due_at"
    )
    return f"""
REVOKE ALL ON compliance_case, compliance_case_event FROM PUBLIC, {role};
GRANT SELECT ON compliance_case, compliance_case_event TO {role};
GRANT INSERT ({columns}) ON compliance_case TO {role};
GRANT UPDATE (state, due_at, assignee_id, acknowledged_at, answered_at, outcome, version)
    ON compliance_case TO {role};
GRANT INSERT (id, case_id, kind, actor_kind, actor_id, audience, text, data, key)
    ON compliance_case_event TO {role};
REVOKE ALL ON FUNCTION compliance_purge_case(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION compliance_purge_case(uuid) TO {role};
"""  # noqa: S608  (fixed words; the role's name is checked)


#: The desk works on what players bring; what may not be told to them is compliance's alone.
RIGHTS = {
    Role.SUPPORT: ("compliance.view_case", "compliance.case:work_desk"),
    Role.COMPLIANCE: (
        "compliance.view_case",
        "compliance.case:work_desk",
        "compliance.case:handle_hidden",
    ),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0002_records"),
        ("accounts", "0003_ratecounter_unlockcode"),
        ("audit", "0002_record"),
    ]
    operations = [
        migrations.RunSQL(
            TABLES + KEEPING + protect_sql("compliance_caller_answer") + _rights(), DROP
        ),
        migrations.CreateModel(
            name="Case",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("reference", models.TextField()),
                ("kind", models.TextField()),
                ("state", models.TextField()),
                ("player_id", models.BigIntegerField()),
                ("round_id", models.UUIDField(null=True)),
                ("bets", models.JSONField()),
                ("subject", models.TextField()),
                ("opened_by", models.TextField()),
                ("key", models.TextField()),
                ("fingerprint", models.TextField()),
                ("policy", models.TextField()),
                ("opened_at", models.DateTimeField()),
                ("acknowledge_by", models.DateTimeField()),
                ("answer_by", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                ("assignee_id", models.BigIntegerField(null=True)),
                ("acknowledged_at", models.DateTimeField(null=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("outcome", models.TextField()),
                ("version", models.IntegerField()),
            ],
            options={
                "db_table": "compliance_case",
                "ordering": ["-opened_at"],
                "permissions": [
                    ("work_desk", "Can work at the support desk"),
                    ("handle_hidden", "Can see and handle cases that players must not learn of"),
                ],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="CaseEvent",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("case_id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("kind", models.TextField()),
                ("actor_kind", models.TextField()),
                ("actor_id", models.TextField()),
                ("audience", models.TextField()),
                ("text", models.TextField()),
                ("data", models.JSONField()),
                ("key", models.TextField()),
            ],
            options={
                "db_table": "compliance_case_event",
                "ordering": ["at", "id"],
                "managed": False,
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

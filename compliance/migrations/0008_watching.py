"""Rules in versions, what they found, cases of officers, sealed reports, and what links players.

Append-only but for a case's place, and traits, which are counted. What takes two people is held
here: a rule becomes active by another than who proposed it and after a backtest; a suspicion is
decided by another than who proposed the decision.
"""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

TABLES = """
CREATE TABLE compliance_watch_rule (
    id uuid PRIMARY KEY,
    code text NOT NULL,
    family text NOT NULL CHECK (family IN ('aml', 'harm')),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    body jsonb NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (code, sha256)
);
CREATE TABLE compliance_watch_backtest (
    id uuid PRIMARY KEY,
    rule_id uuid NOT NULL REFERENCES compliance_watch_rule (id),
    by_actor text NOT NULL CHECK (by_actor <> ''),
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    players integer NOT NULL,
    result jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (id, rule_id)
);
CREATE TABLE compliance_watch_step (
    id uuid PRIMARY KEY,
    rule_id uuid NOT NULL REFERENCES compliance_watch_rule (id),
    no integer NOT NULL CHECK (no > 0),
    step text NOT NULL CHECK (step IN ('shadow', 'proposed', 'returned', 'active', 'retired')),
    by_actor text NOT NULL CHECK (by_actor <> ''),
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 2000),
    backtest_id uuid,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (rule_id, no),
    FOREIGN KEY (backtest_id, rule_id) REFERENCES compliance_watch_backtest (id, rule_id),
    CHECK (step <> 'proposed' OR backtest_id IS NOT NULL)
);
CREATE TABLE compliance_watch_alert (
    id uuid PRIMARY KEY,
    rule_id uuid NOT NULL REFERENCES compliance_watch_rule (id),
    code text NOT NULL,
    family text NOT NULL,
    is_shadow boolean NOT NULL,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    others bigint[] NOT NULL DEFAULT '{}',
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX compliance_watch_alert_player ON compliance_watch_alert (player_id, code, at);
CREATE INDEX compliance_watch_alert_rule ON compliance_watch_alert (rule_id, at);
CREATE TABLE compliance_watch_case (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE CHECK (reference ~ '^[A-Z2-9]{4}-[A-Z2-9]{4}$'),
    family text NOT NULL CHECK (family IN ('aml', 'harm')),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'in_hand', 'proposed', 'to_file',
        'filed', 'dismissed', 'spoken', 'recorded')),
    assignee_id bigint REFERENCES accounts_user (id),
    verdict text NOT NULL DEFAULT '' CHECK (verdict IN ('', 'report', 'dismiss')),
    proposed_by bigint REFERENCES accounts_user (id),
    decided_by bigint REFERENCES accounts_user (id),
    opened_by text NOT NULL CHECK (opened_by <> ''),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz,
    closed_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CHECK (decided_by <> proposed_by),
    CHECK (family <> 'aml' OR state NOT IN ('to_file', 'filed', 'dismissed')
        OR (decided_by IS NOT NULL AND proposed_by IS NOT NULL AND verdict <> '')),
    CHECK (state <> 'proposed' OR (proposed_by IS NOT NULL AND decided_by IS NULL)),
    CHECK ((state IN ('filed', 'dismissed', 'recorded')) = (closed_at IS NOT NULL)),
    CHECK (family = 'aml' OR state NOT IN ('proposed', 'to_file', 'filed'))
);
CREATE UNIQUE INDEX compliance_watch_case_open ON compliance_watch_case (family, player_id)
    WHERE closed_at IS NULL;
CREATE INDEX compliance_watch_case_due ON compliance_watch_case (family, due_at)
    WHERE due_at IS NOT NULL;
CREATE TABLE compliance_watch_case_alert (
    case_id uuid NOT NULL REFERENCES compliance_watch_case (id),
    alert_id uuid NOT NULL UNIQUE REFERENCES compliance_watch_alert (id),
    PRIMARY KEY (case_id, alert_id)
);
CREATE TABLE compliance_watch_event (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES compliance_watch_case (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind <> ''),
    by_actor text NOT NULL CHECK (by_actor <> ''),
    text text NOT NULL DEFAULT '' CHECK (length(text) <= 16000),
    data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
    key text NOT NULL DEFAULT '' CHECK (length(key) <= 64)
);
CREATE INDEX compliance_watch_event_case ON compliance_watch_event (case_id, at);
CREATE UNIQUE INDEX compliance_watch_event_key ON compliance_watch_event (case_id, by_actor, key)
    WHERE key <> '';
CREATE TABLE compliance_watch_report (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL UNIQUE REFERENCES compliance_watch_case (id),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes integer NOT NULL CHECK (bytes > 0),
    sealed bytea NOT NULL,
    key_version integer NOT NULL,
    made_by bigint NOT NULL REFERENCES accounts_user (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE compliance_trait (
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    kind text NOT NULL CHECK (kind IN ('browser', 'address', 'instrument')),
    value text NOT NULL CHECK (value ~ '^[0-9a-f]{16,64}$'),
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    times integer NOT NULL DEFAULT 1,
    PRIMARY KEY (player_id, kind, value)
);
CREATE INDEX compliance_trait_value ON compliance_trait (kind, value, last_at);
"""

KEEPING = """
CREATE FUNCTION compliance_watch_step_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    last compliance_watch_step;
BEGIN
    SELECT * INTO last FROM compliance_watch_step WHERE rule_id = NEW.rule_id
        ORDER BY no DESC LIMIT 1;
    IF NEW.no <> coalesce(last.no, 0) + 1 THEN
        RAISE EXCEPTION 'watching: this rule has moved on' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (last.id IS NULL AND NEW.step = 'shadow')
        OR (NEW.step = 'proposed' AND last.step IN ('shadow', 'returned', 'retired'))
        OR (NEW.step = 'returned' AND last.step = 'proposed')
        OR (NEW.step = 'active' AND last.step = 'proposed' AND NEW.by_actor <> last.by_actor)
        OR (NEW.step = 'retired' AND last.step = 'active') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'watching: this step does not follow, or takes another person'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER compliance_watch_step_check BEFORE INSERT ON compliance_watch_step
    FOR EACH ROW EXECUTE FUNCTION compliance_watch_step_check();

CREATE FUNCTION compliance_watch_case_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    moves constant text[] := ARRAY['state', 'assignee_id', 'verdict', 'proposed_by', 'decided_by',
        'due_at', 'closed_at', 'version'];
BEGIN
    IF OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'append_only: a closed case does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.version <> OLD.version + 1 OR to_jsonb(NEW) - moves <> to_jsonb(OLD) - moves THEN
        RAISE EXCEPTION 'append_only: what a case is about does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.decided_by IS DISTINCT FROM OLD.decided_by
            AND (OLD.state <> 'proposed' OR NEW.proposed_by IS DISTINCT FROM OLD.proposed_by
                OR NEW.verdict <> OLD.verdict) THEN
        RAISE EXCEPTION 'watching: what is decided is what was proposed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.closed_at := CASE WHEN NEW.state IN ('filed', 'dismissed', 'recorded')
        THEN clock_timestamp() END;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_watch_case_change BEFORE UPDATE ON compliance_watch_case
    FOR EACH ROW EXECUTE FUNCTION compliance_watch_case_change();
CREATE TRIGGER compliance_watch_case_keep BEFORE DELETE ON compliance_watch_case
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER compliance_watch_case_no_truncate BEFORE TRUNCATE ON compliance_watch_case
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

RECORDS = (
    "compliance_watch_rule",
    "compliance_watch_backtest",
    "compliance_watch_step",
    "compliance_watch_alert",
    "compliance_watch_case_alert",
    "compliance_watch_event",
    "compliance_watch_report",
)
DROP = (
    "DROP TABLE compliance_trait, compliance_watch_report, compliance_watch_event,"
    " compliance_watch_case_alert, compliance_watch_case, compliance_watch_alert,"
    " compliance_watch_step, compliance_watch_backtest, compliance_watch_rule;"
    " DROP FUNCTION compliance_watch_case_change(); DROP FUNCTION compliance_watch_step_check();"
)


def _rights() -> str:
    """Cases open where the running role says and stand where it moves them; ids and dates stay."""
    role = runtime_role()
    return f"""
REVOKE ALL ON compliance_watch_case, compliance_trait FROM PUBLIC, {role};
GRANT SELECT ON compliance_watch_case TO {role};
GRANT INSERT (id, reference, family, player_id, opened_by, due_at) ON compliance_watch_case
    TO {role};
GRANT UPDATE (state, assignee_id, verdict, proposed_by, decided_by, due_at, version)
    ON compliance_watch_case TO {role};
GRANT SELECT, INSERT, UPDATE ON compliance_trait TO {role};
"""


def allow(apps: Any, schema_editor: Any) -> None:
    grant(
        apps,
        Role.COMPLIANCE,
        ("compliance.watchcase:work_aml", "compliance.watchcase:work_harm"),
    )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0006_screening"), ("compliance", "0005_kyc")]
    operations = [
        migrations.RunSQL(
            TABLES + KEEPING + "".join(protect_sql(table) for table in RECORDS) + _rights(), DROP
        ),
        migrations.CreateModel(
            name="WatchCase",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("reference", models.TextField()),
                ("family", models.TextField()),
                ("player_id", models.BigIntegerField()),
                ("state", models.TextField()),
                ("assignee_id", models.BigIntegerField(null=True)),
                ("verdict", models.TextField()),
                ("proposed_by", models.BigIntegerField(null=True)),
                ("decided_by", models.BigIntegerField(null=True)),
                ("opened_by", models.TextField()),
                ("opened_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("version", models.IntegerField()),
            ],
            options={
                "db_table": "compliance_watch_case",
                "permissions": [
                    ("work_aml", "Can work on suspicions and decide rules"),
                    ("work_harm", "Can work on markers of harm"),
                ],
                "managed": False,
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

"""What was approved to run, by two people, and what each self-check found. Both append-only."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

TABLES = """
CREATE TABLE casino_baseline (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    files jsonb NOT NULL CHECK (jsonb_typeof(files) = 'object'),
    signature text NOT NULL CHECK (signature <> ''),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    reason text NOT NULL CHECK (reason <> '')
);
CREATE TABLE casino_baseline_approval (
    baseline_id uuid PRIMARY KEY REFERENCES casino_baseline (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest text NOT NULL,
    proposed_by text NOT NULL,
    approved_by text NOT NULL CHECK (approved_by <> ''),
    CHECK (approved_by <> proposed_by)
);
CREATE INDEX casino_baseline_approval_at ON casino_baseline_approval (at);

CREATE TABLE casino_self_check (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    baseline_id uuid REFERENCES casino_baseline (id),
    verdict text NOT NULL CHECK (verdict IN ('same', 'changed', 'no_baseline')),
    changes jsonb NOT NULL CHECK (jsonb_typeof(changes) = 'array'),
    host text NOT NULL,
    asked_by text NOT NULL CHECK (asked_by <> '')
);
CREATE INDEX casino_self_check_at ON casino_self_check (at);

-- Who approves is held against who proposed in the database as well as in the code.
CREATE FUNCTION casino_baseline_approve() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    SELECT digest, proposed_by INTO NEW.digest, NEW.proposed_by
        FROM casino_baseline WHERE id = NEW.baseline_id;
    RETURN NEW;
END $$;
CREATE TRIGGER casino_baseline_approve BEFORE INSERT ON casino_baseline_approval
    FOR EACH ROW EXECUTE FUNCTION casino_baseline_approve();
"""

DROP = """
DROP TABLE casino_self_check, casino_baseline_approval, casino_baseline;
DROP FUNCTION casino_baseline_approve();
"""


def _rights() -> str:
    """The running role never dates a row itself."""
    role = runtime_role()
    return f"""
REVOKE INSERT ON casino_baseline, casino_baseline_approval, casino_self_check FROM {role};
GRANT INSERT (id, digest, files, signature, proposed_by, reason) ON casino_baseline TO {role};
GRANT INSERT (baseline_id, digest, proposed_by, approved_by) ON casino_baseline_approval TO {role};
GRANT INSERT (id, digest, baseline_id, verdict, changes, host, asked_by)
    ON casino_self_check TO {role};
"""


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.ADMINISTRATOR, ("accounts.user:check_programs",))
    grant(apps, Role.AUDITOR, ("accounts.user:view_program_checks",))
    grant(apps, Role.ADMINISTRATOR, ("accounts.user:view_program_checks",))


class Migration(migrations.Migration):
    dependencies = [
        ("casino", "0001_beat_lease"),
        ("accounts", "0003_ratecounter_unlockcode"),
        ("audit", "0002_record"),
    ]
    operations = [
        migrations.RunSQL(
            TABLES
            + protect_sql("casino_baseline")
            + protect_sql("casino_baseline_approval")
            + protect_sql("casino_self_check")
            + _rights(),
            DROP,
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

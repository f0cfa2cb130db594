"""Two officers sign off a profile whose values do not all rest on a seen source.

What they sign is one version of a profile and the hash of its text: another text needs another
sign-off. Rows never change; a withdrawal ends a proposal or a sign-off for good.
"""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql

TABLES = """
CREATE TABLE compliance_profile_proposal (
    id uuid PRIMARY KEY,
    policy text NOT NULL CHECK (policy <> ''),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    unsure jsonb NOT NULL CHECK (jsonb_array_length(unsure) > 0),
    reason text NOT NULL CHECK (reason <> '' AND length(reason) <= 2000),
    proposed_by bigint NOT NULL REFERENCES accounts_user (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (id, proposed_by)
);
CREATE INDEX compliance_profile_proposal_policy ON compliance_profile_proposal (policy, digest);
CREATE TABLE compliance_profile_signoff (
    proposal_id uuid PRIMARY KEY,
    proposed_by bigint NOT NULL,
    signed_by bigint NOT NULL REFERENCES accounts_user (id),
    reason text NOT NULL CHECK (reason <> '' AND length(reason) <= 2000),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (proposal_id, proposed_by)
        REFERENCES compliance_profile_proposal (id, proposed_by),
    CONSTRAINT compliance_profile_signoff_two_people CHECK (signed_by <> proposed_by)
);
CREATE TABLE compliance_profile_withdrawal (
    proposal_id uuid PRIMARY KEY REFERENCES compliance_profile_proposal (id),
    withdrawn_by bigint NOT NULL REFERENCES accounts_user (id),
    reason text NOT NULL CHECK (reason <> '' AND length(reason) <= 2000),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

#: Whoever says a word here is an officer now, and nobody signs what was withdrawn.
KEEPING = """
CREATE FUNCTION compliance_profile_officer(who bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM accounts_appointment WHERE user_id = who AND role = 'compliance'
        AND ended_at IS NULL AND (until IS NULL OR until > clock_timestamp()))
$$;
CREATE FUNCTION compliance_profile_word_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    word jsonb := to_jsonb(NEW);
    who bigint;
BEGIN
    who := coalesce(word->>'signed_by', word->>'withdrawn_by', word->>'proposed_by')::bigint;
    IF NOT compliance_profile_officer(who) THEN
        RAISE EXCEPTION 'profiles: only a compliance officer signs off'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_TABLE_NAME = 'compliance_profile_signoff' AND EXISTS (
        SELECT FROM compliance_profile_withdrawal WHERE proposal_id = (word->>'proposal_id')::uuid
    ) THEN
        RAISE EXCEPTION 'profiles: this proposal was withdrawn'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

RECORDS = (
    "compliance_profile_proposal",
    "compliance_profile_signoff",
    "compliance_profile_withdrawal",
)


def _check(table: str) -> str:
    return (
        f"CREATE TRIGGER {table}_check BEFORE INSERT ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION compliance_profile_word_check();\n"
    )


DROP = (
    "DROP TABLE compliance_profile_withdrawal, compliance_profile_signoff,"
    " compliance_profile_proposal; DROP FUNCTION compliance_profile_word_check();"
    " DROP FUNCTION compliance_profile_officer(bigint);"
)


def allow(apps: Any, schema_editor: Any) -> None:
    grant(
        apps,
        Role.COMPLIANCE,
        (
            "compliance.profileproposal:view_profiles",
            "compliance.profileproposal:sign_off_profiles",
        ),
    )
    for role in (Role.AUDITOR, Role.ADMINISTRATOR):
        grant(apps, role, ("compliance.profileproposal:view_profiles",))


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0014_documents_overdue"),
        ("accounts", "0006_rights_by_appointment"),
    ]
    operations = [
        migrations.RunSQL(
            TABLES + KEEPING + "".join(_check(table) + protect_sql(table) for table in RECORDS),
            DROP,
        ),
        migrations.CreateModel(
            name="ProfileProposal",
            fields=[("id", models.UUIDField(primary_key=True, serialize=False))],
            options={
                "db_table": "compliance_profile_proposal",
                "permissions": [
                    ("view_profiles", "Can see the profiles of jurisdictions"),
                    ("sign_off_profiles", "Can sign off profiles of jurisdictions"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

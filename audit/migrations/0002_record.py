"""The record itself, the keys of its personal fields, and the seals over it."""

from django.db import migrations, models

from audit.append_only import partitions_sql, protect_sql, runtime_role

TABLES = """
CREATE TABLE audit_event (
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind <> ''),
    actor_kind text NOT NULL CHECK (actor_kind <> ''),
    actor_id text NOT NULL,
    subject_kind text NOT NULL CHECK (subject_kind <> ''),
    subject_id text NOT NULL,
    component text NOT NULL CHECK (component <> ''),
    before jsonb,
    after jsonb,
    reason text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    person_id bigint,
    personal_key uuid,
    personal bytea,
    PRIMARY KEY (id, at),
    CHECK ((personal IS NULL) = (personal_key IS NULL)),
    CHECK (personal IS NULL OR person_id IS NOT NULL)
) PARTITION BY RANGE (at);
CREATE INDEX audit_event_at ON audit_event (at);
CREATE INDEX audit_event_subject ON audit_event (subject_kind, subject_id, at);
CREATE INDEX audit_event_actor ON audit_event (actor_kind, actor_id, at);
CREATE INDEX audit_event_kind ON audit_event (kind, at);

CREATE TABLE audit_person_key (
    id uuid PRIMARY KEY,
    person_id bigint NOT NULL,
    wrapped bytea,
    wrap_version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX audit_person_key_person ON audit_person_key (person_id);

CREATE TABLE audit_seal (
    source text NOT NULL CHECK (source ~ '^[a-z][a-z0-9_]{0,40}$'),
    number bigint NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL,
    first_row bigint NOT NULL CHECK (first_row > 0),
    row_count integer NOT NULL CHECK (row_count > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    payload text NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    keys text[] NOT NULL,
    leaves bytea NOT NULL,
    PRIMARY KEY (source, number),
    UNIQUE (source, first_row),
    CHECK (cardinality(keys) = row_count),
    CHECK (length(leaves) = 32 * row_count)
);
CREATE INDEX audit_seal_at ON audit_seal (source, at);
"""

DROP = "DROP TABLE audit_seal, audit_person_key, audit_event"


def _rights() -> str:
    """What the runtime role may do: never date a row itself, never take a person's key away unseen.

    ``at`` is not among the insertable columns, so the database alone says when a row was written.
    """
    role = runtime_role()
    columns = (
        "id, kind, actor_kind, actor_id, subject_kind, subject_id, component, before, after,"
        " reason, request_id, person_id, personal_key, personal"
    )
    return f"""
REVOKE INSERT ON audit_event FROM {role};
GRANT INSERT ({columns}) ON audit_event TO {role};
REVOKE ALL ON audit_person_key FROM PUBLIC, {role};
GRANT SELECT, INSERT ON audit_person_key TO {role};
GRANT UPDATE (wrapped, wrap_version, destroyed_at) ON audit_person_key TO {role};
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_append_only")]
    operations = [
        migrations.RunSQL(
            TABLES
            + partitions_sql("audit_event")
            + protect_sql("audit_event")
            + protect_sql("audit_seal")
            + _rights(),
            DROP,
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("kind", models.TextField()),
                ("actor_kind", models.TextField()),
                ("actor_id", models.TextField()),
                ("subject_kind", models.TextField()),
                ("subject_id", models.TextField()),
                ("component", models.TextField()),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("reason", models.TextField()),
                ("request_id", models.TextField()),
                ("person_id", models.BigIntegerField(null=True)),
                ("personal_key", models.UUIDField(null=True)),
                ("personal", models.BinaryField(null=True)),
            ],
            options={
                "db_table": "audit_event",
                "ordering": ["-at", "-id"],
                "permissions": [("reveal_personal", "Can read personal fields of audit events")],
                "managed": False,
            },
        ),
    ]

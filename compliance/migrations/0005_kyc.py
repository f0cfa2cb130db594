"""Identity checks: where each is, every move of it, documents, declarations, reviews.

A check moves only by a row in the history: the trigger on it looks at the table of moves, at where
the check is, and for a decision at the review that made it, and then moves the check itself. The
running role cannot write a state. A review that needs two people has two, by constraint.
"""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

STATES = (
    "'none', 'started', 'documents', 'auto_checked', 'review', 'verified', 'rejected', 'expired'"
)
SUBJECTS = "'age', 'identity', 'address', 'funds'"
#: From, to: as `compliance.kyc.states.MOVES`; a test compares.
MOVES = """
    ('none', 'started'), ('started', 'documents'), ('documents', 'auto_checked'),
    ('documents', 'started'), ('auto_checked', 'review'), ('review', 'started'),
    ('review', 'verified'), ('review', 'rejected'), ('started', 'expired'),
    ('verified', 'expired'), ('rejected', 'started'), ('expired', 'started'),
    ('verified', 'started')
"""

TABLES = f"""
CREATE TABLE compliance_kyc_check (
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    subject text NOT NULL CHECK (subject IN ({SUBJECTS})),
    id text GENERATED ALWAYS AS (subject || ':' || player_id::text) STORED PRIMARY KEY,
    state text NOT NULL DEFAULT 'none' CHECK (state IN ({STATES})),
    awaits text NOT NULL DEFAULT '' CHECK (awaits IN ('', 'player', 'house', 'officer')),
    attempt integer NOT NULL DEFAULT 1,
    due_at timestamptz,
    expires_on date,
    policy text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reminded_until timestamptz,
    alarmed_at timestamptz,
    UNIQUE (player_id, subject)
);
CREATE INDEX compliance_kyc_check_state ON compliance_kyc_check (state, due_at);
CREATE INDEX compliance_kyc_check_expires ON compliance_kyc_check (expires_on)
    WHERE expires_on IS NOT NULL;

CREATE TABLE compliance_kyc_move (
    from_state text NOT NULL, to_state text NOT NULL, PRIMARY KEY (from_state, to_state)
);
INSERT INTO compliance_kyc_move (from_state, to_state) VALUES {MOVES};

CREATE TABLE compliance_kyc_review (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    subject text NOT NULL CHECK (subject IN ({SUBJECTS})),
    attempt integer NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('verify', 'reject')),
    reason text NOT NULL CHECK (reason <> ''),
    note text NOT NULL CHECK (btrim(note) <> '' AND length(note) <= 2000),
    expires_on date,
    four_eyes boolean NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('waits', 'decided', 'disagreed')),
    first_by bigint NOT NULL REFERENCES accounts_user (id),
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    second_by bigint REFERENCES accounts_user (id),
    second_at timestamptz,
    second_note text NOT NULL DEFAULT '' CHECK (length(second_note) <= 2000),
    policy text NOT NULL,
    CONSTRAINT compliance_kyc_review_two_people CHECK (second_by IS NULL OR second_by <> first_by),
    CONSTRAINT compliance_kyc_review_both CHECK (
        outcome <> 'decided' OR NOT four_eyes OR second_by IS NOT NULL),
    CONSTRAINT compliance_kyc_review_waits CHECK (
        outcome <> 'waits' OR (four_eyes AND second_by IS NULL)),
    CHECK ((second_by IS NULL) = (second_at IS NULL)),
    CHECK ((verdict = 'verify') = (reason = 'sound'))
);
CREATE UNIQUE INDEX compliance_kyc_review_one_waits
    ON compliance_kyc_review (player_id, subject) WHERE outcome = 'waits';
CREATE UNIQUE INDEX compliance_kyc_review_one_decides
    ON compliance_kyc_review (player_id, subject, attempt) WHERE outcome = 'decided';

CREATE TABLE compliance_kyc_transition (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    player_id bigint NOT NULL,
    subject text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    cause text NOT NULL CHECK (cause <> ''),
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    reason text NOT NULL DEFAULT '',
    text text NOT NULL DEFAULT '' CHECK (length(text) <= 2000),
    data jsonb NOT NULL DEFAULT '{{}}' CHECK (jsonb_typeof(data) = 'object'),
    awaits text NOT NULL,
    due_at timestamptz,
    expires_on date,
    review_id uuid REFERENCES compliance_kyc_review (id),
    policy text NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    FOREIGN KEY (player_id, subject) REFERENCES compliance_kyc_check (player_id, subject),
    FOREIGN KEY (from_state, to_state) REFERENCES compliance_kyc_move (from_state, to_state)
);
CREATE INDEX compliance_kyc_transition_check
    ON compliance_kyc_transition (player_id, subject, at);

CREATE TABLE compliance_kyc_upload (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    subject text NOT NULL CHECK (subject IN ({SUBJECTS})),
    attempt integer NOT NULL,
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    fingerprint text NOT NULL,
    refused jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(refused) = 'array'),
    UNIQUE (player_id, key)
);

CREATE TABLE compliance_kyc_document (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    subject text NOT NULL CHECK (subject IN ({SUBJECTS})),
    attempt integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('front', 'back', 'selfie', 'address', 'funds')),
    upload_id uuid NOT NULL REFERENCES compliance_kyc_upload (id),
    media text NOT NULL CHECK (media IN ('jpeg', 'png', 'webp', 'heic', 'pdf')),
    size_bytes integer NOT NULL CHECK (size_bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{{64}}$'),
    pages jsonb NOT NULL CHECK (jsonb_typeof(pages) = 'array' AND jsonb_array_length(pages) > 0),
    person_key uuid NOT NULL REFERENCES audit_person_key (id),
    wrapped_key bytea,
    scan text NOT NULL CHECK (scan IN ('clean', 'infected', 'unknown', 'none')),
    scan_detail text NOT NULL DEFAULT '' CHECK (length(scan_detail) <= 300),
    scan_tries integer NOT NULL DEFAULT 1,
    scanned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_original_kept boolean NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX compliance_kyc_document_player ON compliance_kyc_document (player_id, subject, at);
CREATE INDEX compliance_kyc_document_unknown ON compliance_kyc_document (scanned_at)
    WHERE scan = 'unknown' AND destroyed_at IS NULL;

CREATE TABLE compliance_kyc_declaration (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    subject text NOT NULL CHECK (subject IN ({SUBJECTS})),
    attempt integer NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    person_key uuid NOT NULL REFERENCES audit_person_key (id),
    personal bytea NOT NULL
);
CREATE INDEX compliance_kyc_declaration_check
    ON compliance_kyc_declaration (player_id, subject, at);
"""  # noqa: S608  (fixed words of this file)

KEEPING = """
CREATE FUNCTION compliance_kyc_transition_moves() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    here compliance_kyc_check;
BEGIN
    SELECT * INTO here FROM compliance_kyc_check
        WHERE player_id = NEW.player_id AND subject = NEW.subject FOR UPDATE;
    IF here.state IS DISTINCT FROM NEW.from_state THEN
        RAISE EXCEPTION 'kyc: the check is in %, not in %', here.state, NEW.from_state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM compliance_kyc_move
            WHERE from_state = NEW.from_state AND to_state = NEW.to_state) THEN
        RAISE EXCEPTION 'kyc: no check moves from % to %', NEW.from_state, NEW.to_state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.to_state IN ('verified', 'rejected') AND NOT EXISTS (
            SELECT FROM compliance_kyc_review r
            WHERE r.id = NEW.review_id AND r.player_id = NEW.player_id AND r.subject = NEW.subject
                AND r.attempt = here.attempt AND r.outcome = 'decided'
                AND r.verdict = CASE NEW.to_state WHEN 'verified' THEN 'verify' ELSE 'reject' END)
    THEN
        RAISE EXCEPTION 'kyc: nobody decided this' USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.at := clock_timestamp();
    NEW.attempt := here.attempt
        + (NEW.from_state IN ('rejected', 'expired', 'verified') AND NEW.to_state = 'started')::int;
    UPDATE compliance_kyc_check SET state = NEW.to_state, awaits = NEW.awaits,
        attempt = NEW.attempt, due_at = NEW.due_at, expires_on = NEW.expires_on,
        policy = NEW.policy, changed_at = NEW.at, reminded_until = NULL, alarmed_at = NULL
        WHERE player_id = NEW.player_id AND subject = NEW.subject;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_kyc_transition_moves BEFORE INSERT ON compliance_kyc_transition
    FOR EACH ROW EXECUTE FUNCTION compliance_kyc_transition_moves();

CREATE FUNCTION compliance_kyc_review_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.outcome <> 'waits' OR NEW.outcome = 'waits' OR NEW.second_by IS NULL
        OR to_jsonb(NEW) - ARRAY['outcome', 'second_by', 'second_at', 'second_note']
        <> to_jsonb(OLD) - ARRAY['outcome', 'second_by', 'second_at', 'second_note'] THEN
        RAISE EXCEPTION 'append_only: a review is decided once, by a second person'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.second_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_kyc_review_change BEFORE UPDATE ON compliance_kyc_review
    FOR EACH ROW EXECUTE FUNCTION compliance_kyc_review_change();

CREATE FUNCTION compliance_kyc_document_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['scan', 'scan_detail', 'scan_tries', 'scanned_at',
            'is_original_kept', 'wrapped_key', 'destroyed_at']
        <> to_jsonb(OLD) - ARRAY['scan', 'scan_detail', 'scan_tries', 'scanned_at',
            'is_original_kept', 'wrapped_key', 'destroyed_at']
        OR (NEW.scan <> OLD.scan AND OLD.scan <> 'unknown')
        OR (NEW.wrapped_key IS NOT NULL AND NEW.wrapped_key IS DISTINCT FROM OLD.wrapped_key)
        OR (NEW.is_original_kept AND NOT OLD.is_original_kept) THEN
        RAISE EXCEPTION 'append_only: what a document is does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.destroyed_at := CASE WHEN NEW.wrapped_key IS NULL
        THEN COALESCE(OLD.destroyed_at, clock_timestamp()) END;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_kyc_document_change BEFORE UPDATE ON compliance_kyc_document
    FOR EACH ROW EXECUTE FUNCTION compliance_kyc_document_change();
"""

DROP = """
DROP TABLE compliance_kyc_declaration, compliance_kyc_document, compliance_kyc_upload,
    compliance_kyc_transition, compliance_kyc_review, compliance_kyc_move, compliance_kyc_check;
DROP FUNCTION compliance_kyc_transition_moves();
DROP FUNCTION compliance_kyc_review_change();
DROP FUNCTION compliance_kyc_document_change();
"""


def _rights() -> str:
    """Rows are never deleted; what may be updated is named, and no state is among it."""
    role = runtime_role()
    kept = "\n".join(
        f"""CREATE TRIGGER {table}_no_{what} BEFORE {what.upper()} ON {table}
    FOR EACH {each} EXECUTE FUNCTION audit_refuse_change();"""
        for table in ("compliance_kyc_check", "compliance_kyc_review", "compliance_kyc_document")
        for what, each in (("delete", "ROW"), ("truncate", "STATEMENT"))
    )
    return f"""
{kept}
REVOKE ALL ON compliance_kyc_check, compliance_kyc_move, compliance_kyc_review,
    compliance_kyc_document FROM PUBLIC, {role};
GRANT SELECT ON compliance_kyc_check, compliance_kyc_move, compliance_kyc_review,
    compliance_kyc_document TO {role};
GRANT INSERT (player_id, subject) ON compliance_kyc_check TO {role};
GRANT UPDATE (reminded_until, alarmed_at) ON compliance_kyc_check TO {role};
GRANT INSERT (id, player_id, subject, attempt, verdict, reason, note, expires_on, four_eyes,
    outcome, first_by, policy) ON compliance_kyc_review TO {role};
GRANT UPDATE (outcome, second_by, second_at, second_note) ON compliance_kyc_review TO {role};
GRANT INSERT (id, player_id, subject, attempt, kind, upload_id, media, size_bytes, sha256, pages,
    person_key, wrapped_key, scan, scan_detail, is_original_kept)
    ON compliance_kyc_document TO {role};
GRANT UPDATE (scan, scan_detail, scan_tries, scanned_at, is_original_kept, wrapped_key,
    destroyed_at) ON compliance_kyc_document TO {role};
REVOKE ALL ON FUNCTION compliance_kyc_transition_moves() FROM PUBLIC;
"""  # noqa: S608  (fixed words; the role's name is checked)


def allow(apps: Any, schema_editor: Any) -> None:
    """Papers are seen and decided by compliance alone; an auditor sees the queue, no paper."""
    grant(
        apps,
        Role.COMPLIANCE,
        (
            "compliance.kyccheck:view_kyc",
            "compliance.kyccheck:open_documents",
            "compliance.kyccheck:decide_kyc",
        ),
    )
    grant(apps, Role.AUDITOR, ("compliance.kyccheck:view_kyc",))


def _model(name: str, table: str, fields: list[Any], **options: Any) -> Any:
    return migrations.CreateModel(
        name=name, fields=fields, options={"managed": False, "db_table": table, **options}
    )


def _uuid() -> Any:
    return ("id", models.UUIDField(primary_key=True, serialize=False))


def _whose() -> list[Any]:
    return [("player_id", models.BigIntegerField()), ("subject", models.TextField())]


class Migration(migrations.Migration):
    dependencies = [("compliance", "0006_screening"), ("audit", "0003_witness")]
    operations = [
        migrations.AddField(
            model_name="standing",
            name="verify_by",
            field=models.DateTimeField(
                blank=True, help_text="From then on, unverified play is refused.", null=True
            ),
        ),
        migrations.RunSQL(
            TABLES
            + KEEPING
            + "".join(
                protect_sql(table)
                for table in (
                    "compliance_kyc_transition",
                    "compliance_kyc_upload",
                    "compliance_kyc_declaration",
                )
            )
            + _rights(),
            DROP,
        ),
        _model(
            "KycCheck",
            "compliance_kyc_check",
            [
                ("id", models.TextField(primary_key=True, serialize=False)),
                *_whose(),
                ("state", models.TextField()),
                ("awaits", models.TextField()),
                ("attempt", models.IntegerField()),
                ("due_at", models.DateTimeField(null=True)),
                ("expires_on", models.DateField(null=True)),
                ("policy", models.TextField()),
                ("changed_at", models.DateTimeField()),
                ("reminded_until", models.DateTimeField(null=True)),
                ("alarmed_at", models.DateTimeField(null=True)),
            ],
            permissions=[
                ("view_kyc", "Can see identity checks"),
                ("open_documents", "Can open identity documents"),
                ("decide_kyc", "Can decide identity checks"),
            ],
        ),
        _model(
            "KycTransition",
            "compliance_kyc_transition",
            [
                _uuid(),
                ("at", models.DateTimeField()),
                *_whose(),
                ("from_state", models.TextField()),
                ("to_state", models.TextField()),
                ("cause", models.TextField()),
                ("actor_kind", models.TextField()),
                ("actor_id", models.TextField()),
                ("reason", models.TextField()),
                ("text", models.TextField()),
                ("data", models.JSONField()),
                ("awaits", models.TextField()),
                ("due_at", models.DateTimeField(null=True)),
                ("expires_on", models.DateField(null=True)),
                ("review_id", models.UUIDField(null=True)),
                ("policy", models.TextField()),
                ("attempt", models.IntegerField()),
            ],
            ordering=["at", "id"],
        ),
        _model(
            "KycReview",
            "compliance_kyc_review",
            [
                _uuid(),
                *_whose(),
                ("attempt", models.IntegerField()),
                ("verdict", models.TextField()),
                ("reason", models.TextField()),
                ("note", models.TextField()),
                ("expires_on", models.DateField(null=True)),
                ("four_eyes", models.BooleanField()),
                ("outcome", models.TextField()),
                ("first_by", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("second_by", models.BigIntegerField(null=True)),
                ("second_at", models.DateTimeField(null=True)),
                ("second_note", models.TextField()),
                ("policy", models.TextField()),
            ],
        ),
        _model(
            "KycUpload",
            "compliance_kyc_upload",
            [
                _uuid(),
                ("at", models.DateTimeField()),
                *_whose(),
                ("attempt", models.IntegerField()),
                ("key", models.TextField()),
                ("fingerprint", models.TextField()),
                ("refused", models.JSONField()),
            ],
        ),
        _model(
            "KycDocument",
            "compliance_kyc_document",
            [
                _uuid(),
                ("at", models.DateTimeField()),
                *_whose(),
                ("attempt", models.IntegerField()),
                ("kind", models.TextField()),
                ("upload_id", models.UUIDField()),
                ("media", models.TextField()),
                ("size_bytes", models.IntegerField()),
                ("sha256", models.TextField()),
                ("pages", models.JSONField()),
                ("person_key", models.UUIDField()),
                ("wrapped_key", models.BinaryField(null=True)),
                ("scan", models.TextField()),
                ("scan_detail", models.TextField()),
                ("scan_tries", models.IntegerField()),
                ("scanned_at", models.DateTimeField()),
                ("is_original_kept", models.BooleanField()),
                ("destroyed_at", models.DateTimeField(null=True)),
            ],
            ordering=["at", "id"],
        ),
        _model(
            "KycDeclaration",
            "compliance_kyc_declaration",
            [
                _uuid(),
                ("at", models.DateTimeField()),
                *_whose(),
                ("attempt", models.IntegerField()),
                ("actor_kind", models.TextField()),
                ("actor_id", models.TextField()),
                ("person_key", models.UUIDField()),
                ("personal", models.BinaryField()),
            ],
            ordering=["at", "id"],
        ),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

"""What a witness outside the house answered to each seal."""

from django.db import migrations

from audit.append_only import protect_sql, runtime_role

TABLE = """
CREATE TABLE audit_witness_answer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    witness text NOT NULL CHECK (witness <> ''),
    source text NOT NULL CHECK (source <> ''),
    number bigint NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL CHECK (outcome IN ('taken', 'refused', 'failed')),
    status integer NOT NULL CHECK (status >= 0),
    answer bytea CHECK (length(answer) = 32)
);
CREATE UNIQUE INDEX audit_witness_taken ON audit_witness_answer (witness, source, number)
    WHERE outcome = 'taken';
CREATE INDEX audit_witness_not_taken ON audit_witness_answer (witness, source, number, at)
    WHERE outcome <> 'taken';
"""


def _rights() -> str:
    """The database alone says when an answer came."""
    role = runtime_role()
    columns = "witness, source, number, outcome, status, answer"
    return f"""
REVOKE INSERT ON audit_witness_answer FROM {role};
GRANT INSERT ({columns}) ON audit_witness_answer TO {role};
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_record")]
    operations = [
        migrations.RunSQL(
            TABLE + protect_sql("audit_witness_answer") + _rights(),
            "DROP TABLE audit_witness_answer",
        )
    ]

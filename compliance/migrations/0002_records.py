"""The append-only records: gate decisions and limit changes, partitioned by month."""

from django.db import migrations

from audit.append_only import partitions_sql, protect_sql

DECISIONS = """
CREATE TABLE compliance_gatedecision (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    ref uuid NOT NULL,
    player_id bigint NOT NULL,
    purpose text NOT NULL,
    allowed boolean NOT NULL,
    code text,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    policy text NOT NULL,
    facts jsonb NOT NULL,
    PRIMARY KEY (id, at),
    CONSTRAINT compliance_gatedecision_coded CHECK (allowed = (code IS NULL))
) PARTITION BY RANGE (at);
CREATE INDEX compliance_gatedecision_player ON compliance_gatedecision (player_id, at);
CREATE INDEX compliance_gatedecision_ref ON compliance_gatedecision (ref);
"""

CHANGES = """
CREATE TABLE compliance_limitchange (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    player_id bigint NOT NULL,
    currency text NOT NULL,
    kind text NOT NULL,
    period text NOT NULL,
    act text NOT NULL,
    before_minor bigint,
    wanted_minor bigint,
    effective_at timestamptz,
    actor text NOT NULL,
    policy text NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX compliance_limitchange_player ON compliance_limitchange (player_id, at);
"""


def _sql(statements: str, table: str) -> str:
    return statements + partitions_sql(table) + protect_sql(table)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_standing"), ("audit", "0001_append_only")]

    operations = [
        migrations.RunSQL(
            _sql(DECISIONS, "compliance_gatedecision"), "DROP TABLE compliance_gatedecision"
        ),
        migrations.RunSQL(
            _sql(CHANGES, "compliance_limitchange"), "DROP TABLE compliance_limitchange"
        ),
    ]

"""The append-only history of payments, partitioned by month."""

from django.db import migrations

from audit.append_only import partitions_sql, protect_sql

TRANSITIONS = """
CREATE TABLE payments_transition (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    payment_id uuid NOT NULL,
    direction text NOT NULL CHECK (direction IN ('deposit', 'withdrawal')),
    player_id bigint NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    actor text NOT NULL,
    cause text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX payments_transition_payment ON payments_transition (payment_id, at);
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_payments"), ("audit", "0001_append_only")]

    operations = [
        migrations.RunSQL(
            TRANSITIONS
            + partitions_sql("payments_transition")
            + protect_sql("payments_transition"),
            "DROP TABLE payments_transition",
        ),
    ]

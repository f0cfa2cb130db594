"""Bets, outcomes and sightings: append-only; bets and outcomes in monthly partitions.

An outcome is partitioned by its bet's own instant, so that (bet, version) is unique across the
whole table: a bet cannot have two outcomes of one version even at the turn of a month.
"""

from django.db import migrations

from audit.append_only import partitions_sql, protect_sql

BETS = """
CREATE TABLE tables_bet (
    id uuid NOT NULL,
    accepted_at timestamptz NOT NULL,
    round_id uuid NOT NULL,
    slip_id uuid NOT NULL,
    player_id bigint NOT NULL,
    position varchar(24) NOT NULL,
    stake_minor bigint NOT NULL CHECK (stake_minor > 0),
    currency varchar(3) NOT NULL,
    rules_hash varchar(64) NOT NULL,
    transfer_id uuid NOT NULL,
    PRIMARY KEY (id, accepted_at)
) PARTITION BY RANGE (accepted_at);
CREATE INDEX tables_bet_round ON tables_bet (round_id, player_id);
CREATE INDEX tables_bet_player ON tables_bet (player_id, accepted_at);
"""

OUTCOMES = """
CREATE TABLE tables_bet_outcome (
    bet_id uuid NOT NULL,
    bet_accepted_at timestamptz NOT NULL,
    version smallint NOT NULL CHECK (version > 0),
    round_id uuid NOT NULL,
    kind varchar(8) NOT NULL CHECK (kind IN ('paid', 'lost', 'refunded', 'undone')),
    returned_minor bigint NOT NULL CHECK (returned_minor >= 0),
    transfer_id uuid,
    at timestamptz NOT NULL,
    CHECK ((returned_minor > 0) = (transfer_id IS NOT NULL)),
    PRIMARY KEY (bet_id, version, bet_accepted_at)
) PARTITION BY RANGE (bet_accepted_at);
CREATE INDEX tables_bet_outcome_round ON tables_bet_outcome (round_id);
"""

SIGHTINGS = """
CREATE TABLE tables_sighting (
    pk_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_id varchar(40) NOT NULL,
    n bigint NOT NULL,
    device_id varchar(60) NOT NULL,
    seq bigint NOT NULL,
    kind varchar(24) NOT NULL,
    captured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    data jsonb NOT NULL,
    payload bytea NOT NULL,
    signature bytea NOT NULL,
    key_id varchar(60) NOT NULL,
    UNIQUE (table_id, n),
    UNIQUE (device_id, seq)
);
"""


def forwards(apps, schema_editor):
    statements = [
        BETS + partitions_sql("tables_bet") + protect_sql("tables_bet"),
        OUTCOMES + partitions_sql("tables_bet_outcome") + protect_sql("tables_bet_outcome"),
        SIGHTINGS + protect_sql("tables_sighting"),
        protect_sql("tables_slip"),
    ]
    for statement in statements:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("tables", "0001_the_live_game"), ("audit", "0001_append_only")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]

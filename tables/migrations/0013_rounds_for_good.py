"""How each round ended, per version, in rows that never change: what `rounds` seals.

The row of a round moves through its phases, so it cannot be sealed. The database itself writes the
end of a round beside it, in the same transaction, whoever ends it: no code path can forget to, and
the runtime role cannot write or date such a row by itself.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from audit.append_only import protect_sql

TABLE = """
CREATE TABLE tables_round_result (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    round_id uuid NOT NULL,
    version smallint NOT NULL CHECK (version > 0),
    table_id varchar(40) NOT NULL,
    number bigint NOT NULL,
    phase varchar(16) NOT NULL CHECK (phase IN ('settled', 'voided')),
    result smallint CHECK (result BETWEEN 0 AND 36),
    sources jsonb NOT NULL,
    ruleset varchar(40) NOT NULL,
    rules_hash varchar(64) NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    official_at timestamptz,
    finished_at timestamptz NOT NULL,
    reason varchar(60) NOT NULL,
    UNIQUE (round_id, version)
);
CREATE INDEX tables_round_result_at ON tables_round_result (at);
CREATE INDEX tables_sighting_received_at ON tables_sighting (received_at);
"""

_COLUMNS = (
    "round_id, version, table_id, number, phase, result, sources, ruleset, rules_hash, opened_at,"
    " closed_at, official_at, finished_at, reason"
)

TRIGGER = f"""
CREATE FUNCTION tables_round_result_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO tables_round_result (at, {_COLUMNS})
    VALUES (clock_timestamp(), NEW.id, NEW.version, NEW.table_id, NEW.number, NEW.phase,
        NEW.result, NEW.result_sources, NEW.ruleset, NEW.rules_hash, NEW.opened_at, NEW.closed_at,
        NEW.official_at, NEW.finished_at, NEW.void_reason);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION tables_round_result_kept() FROM PUBLIC;
CREATE TRIGGER tables_round_result_kept AFTER UPDATE OF phase, version ON tables_round
    FOR EACH ROW WHEN (NEW.phase IN ('settled', 'voided')
        AND (NEW.phase, NEW.version) IS DISTINCT FROM (OLD.phase, OLD.version))
    EXECUTE FUNCTION tables_round_result_kept();
"""  # noqa: S608  (fixed words)

#: Rounds that ended before this was kept: each version's number is what the next one corrected.
EARLIER = f"""
INSERT INTO tables_round_result (at, {_COLUMNS})
SELECT coalesce(made.finished_at, r.finished_at), r.id, v.version, r.table_id, r.number, r.phase,
    coalesce(undone.old_number, r.result), coalesce(undone.old_sources, r.result_sources),
    r.ruleset, r.rules_hash, r.opened_at, r.closed_at, r.official_at, r.finished_at, r.void_reason
FROM tables_round r CROSS JOIN LATERAL generate_series(1, r.version) AS v (version)
    LEFT JOIN tables_correction made ON made.round_id = r.id AND made.state = 'done'
        AND made.to_version = v.version
    LEFT JOIN tables_correction undone ON undone.round_id = r.id AND undone.state = 'done'
        AND undone.to_version = v.version + 1
WHERE r.phase IN ('settled', 'voided')
ORDER BY 1, r.id, v.version;
"""  # noqa: S608  (fixed words)

DROP = """
DROP TRIGGER tables_round_result_kept ON tables_round;
DROP FUNCTION tables_round_result_kept();
DROP INDEX tables_sighting_received_at;
DROP TABLE tables_round_result;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("tables", "0012_when_a_table_was_opened"),
        ("audit", "0001_append_only"),
    ]
    operations: ClassVar = [
        migrations.RunSQL(
            TABLE + TRIGGER + EARLIER + protect_sql("tables_round_result", insert=False), DROP
        ),
    ]

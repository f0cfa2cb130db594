"""Incidents, entries by hand and corrections, as reviewed."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models

#: What was proposed stays as it was and is decided once, by somebody else (a constraint of 0007);
#: what was decided stays decided. The guard of results (0007) believes these rows.
CORRECTIONS_FIXED = """
CREATE FUNCTION tables_correction_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'proposed' OR NEW.finished_at IS NOT NULL
            OR (NEW.shortfall, NEW.decline_reason) <> ('', '')
        THEN
            RAISE EXCEPTION 'correction: % begins as %', NEW.id, NEW.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE'
        OR (NEW.id, NEW.round_id, NEW.to_version, NEW.old_number, NEW.new_number, NEW.old_sources,
            NEW.reason, NEW.proposed_by, NEW.proposed_at, NEW.key, NEW.fingerprint)
            IS DISTINCT FROM (OLD.id, OLD.round_id, OLD.to_version, OLD.old_number, OLD.new_number,
            OLD.old_sources, OLD.reason, OLD.proposed_by, OLD.proposed_at, OLD.key,
            OLD.fingerprint)
        OR NOT ((OLD.state = 'proposed' AND NEW.state IN ('approved', 'declined')
                AND NEW.finished_at IS NULL)
            OR (OLD.state = 'approved' AND NEW.state = 'done'
                AND (NEW.decided_by, NEW.decided_at, NEW.shortfall, NEW.decline_reason)
                    IS NOT DISTINCT FROM
                    (OLD.decided_by, OLD.decided_at, OLD.shortfall, OLD.decline_reason)))
    THEN
        RAISE EXCEPTION 'correction: % of % is refused', TG_OP, OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION tables_correction_fixed() FROM PUBLIC;
CREATE TRIGGER tables_correction_fixed BEFORE INSERT OR UPDATE OR DELETE ON tables_correction
    FOR EACH ROW EXECUTE FUNCTION tables_correction_fixed();
CREATE TRIGGER tables_correction_no_truncate BEFORE TRUNCATE ON tables_correction
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

CORRECTIONS_FIXED_REVERSE = """
DROP TRIGGER tables_correction_no_truncate ON tables_correction;
DROP TRIGGER tables_correction_fixed ON tables_correction;
DROP FUNCTION tables_correction_fixed();
"""

#: As in 0007, and a number counts only for the spin after which it was entered: what was read
#: before a respin says nothing of the next ball.
RESULTS_GUARDED = """
CREATE OR REPLACE FUNCTION tables_round_result_guarded() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.phase = 'suspended' AND NEW.phase = 'official' AND 2 <> (
        SELECT count(DISTINCT e.actor) FROM tables_manualentry e
        WHERE e.round_id = NEW.id AND e.number = NEW.result {since} AND e.attempt = (
            SELECT max(l.attempt) FROM tables_manualentry l WHERE l.round_id = NEW.id))
    THEN
        RAISE EXCEPTION 'manual_result: round % lacks two people who say %', NEW.id, NEW.result
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.result IS NOT NULL AND (NEW.result, NEW.version) IS DISTINCT FROM (OLD.result, OLD.version)
        AND NOT EXISTS (
            SELECT FROM tables_correction c
            WHERE c.round_id = NEW.id AND c.state IN ('approved', 'done')
                AND c.old_number = OLD.result AND c.new_number = NEW.result
                AND c.to_version = NEW.version AND NEW.version = OLD.version + 1
                AND c.decided_by NOT IN ('', c.proposed_by))
    THEN
        RAISE EXCEPTION 'correction: no approved correction of round % to %', NEW.id, NEW.result
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

SINCE = "AND (OLD.evidence_since IS NULL OR e.at >= OLD.evidence_since)"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tables", "0009_devices_and_settings")]

    operations: ClassVar = [
        migrations.AddField(
            "incident",
            "status_before",
            models.CharField(blank=True, default="", max_length=12),
            preserve_default=False,
        ),
        migrations.AddField("incident", "evidence_since", models.DateTimeField(null=True)),
        migrations.RunSQL(CORRECTIONS_FIXED, CORRECTIONS_FIXED_REVERSE),
        migrations.RunSQL(
            RESULTS_GUARDED.replace("{since}", SINCE), RESULTS_GUARDED.replace("{since} ", "")
        ),
    ]

"""An exclusion is not got rid of by another row, another player's number, or half a return.

A standing is never deleted and stays its player's. An exclusion that holds until the player asks
stops holding for their waiting time alone: no profile's is shorter than a day.
"""

from django.db import migrations

from audit.append_only import runtime_role

KEEPING = """
CREATE OR REPLACE FUNCTION compliance_exclusion_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    is_over boolean := OLD.excluded_until IS NULL OR OLD.excluded_until <= clock_timestamp();
    is_lifted boolean := EXISTS (SELECT FROM compliance_likeness_lift
        WHERE player_id = OLD.player_id AND is_lifted AND decided_in = pg_current_xact_id());
BEGIN
    IF OLD.cool_off_until > clock_timestamp()
        AND (NEW.cool_off_until IS NULL OR NEW.cool_off_until < OLD.cool_off_until)
    THEN
        RAISE EXCEPTION 'exclusion: a break is not shortened' USING ERRCODE = 'restrict_violation';
    END IF;
    IF is_lifted OR (is_over AND NOT OLD.exclusion_holds) THEN
        RETURN NEW;
    END IF;
    IF NEW.excluded_until IS NULL OR NEW.excluded_until < OLD.excluded_until
        OR (OLD.exclusion_holds AND NOT NEW.exclusion_holds
            AND (NOT is_over OR NEW.excluded_until < now() + interval '24 hours'))
    THEN
        RAISE EXCEPTION 'exclusion: it is not shortened' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION compliance_standing_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'exclusion: a standing is its player''s and stays'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER compliance_standing_stays BEFORE DELETE ON compliance_standing
    FOR EACH ROW EXECUTE FUNCTION compliance_standing_stays();
CREATE TRIGGER compliance_standing_same_player BEFORE UPDATE ON compliance_standing
    FOR EACH ROW WHEN (OLD.player_id IS DISTINCT FROM NEW.player_id)
    EXECUTE FUNCTION compliance_standing_stays();
CREATE TRIGGER compliance_standing_no_truncate BEFORE TRUNCATE ON compliance_standing
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

#: The function of the migration before stays as it is here: it only refuses more.
DROP = """
DROP TRIGGER compliance_standing_no_truncate ON compliance_standing;
DROP TRIGGER compliance_standing_same_player ON compliance_standing;
DROP TRIGGER compliance_standing_stays ON compliance_standing;
DROP FUNCTION compliance_standing_stays();
"""


def _rights() -> str:
    return f"REVOKE DELETE, TRUNCATE ON compliance_standing FROM PUBLIC, {runtime_role()};"


def _rights_back() -> str:
    return f"GRANT DELETE ON compliance_standing TO {runtime_role()};"


class Migration(migrations.Migration):
    dependencies = [("compliance", "0020_what_outlives_an_erasure")]
    operations = [migrations.RunSQL(KEEPING + _rights(), DROP + _rights_back())]

"""What two people decided about a suspicion stays; alerts join open cases alone; a rule retires by
two people, or when another version of it has become active.
"""

from importlib import import_module
from typing import Final

from django.db import migrations

KEEPING = """
CREATE FUNCTION compliance_watch_case_decided() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.decided_by IS NOT NULL AND ((NEW.verdict, NEW.proposed_by, NEW.decided_by)
            IS DISTINCT FROM (OLD.verdict, OLD.proposed_by, OLD.decided_by)
            OR NEW.state NOT IN (OLD.state, 'filed')) THEN
        RAISE EXCEPTION 'watching: what is decided stays' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.decided_by IS NULL AND NEW.decided_by IS NOT NULL
            AND (NEW.verdict, NEW.state) NOT IN (('report', 'to_file'), ('dismiss', 'dismissed'))
            THEN
        RAISE EXCEPTION 'watching: what is decided is what was proposed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_watch_case_decided BEFORE UPDATE ON compliance_watch_case
    FOR EACH ROW EXECUTE FUNCTION compliance_watch_case_decided();

CREATE FUNCTION compliance_watch_case_joined() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM compliance_watch_case WHERE id = NEW.case_id AND closed_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'watching: nothing joins a closed case'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_watch_case_joined BEFORE INSERT ON compliance_watch_case_alert
    FOR EACH ROW EXECUTE FUNCTION compliance_watch_case_joined();

ALTER TABLE compliance_watch_step DROP CONSTRAINT compliance_watch_step_step_check;
ALTER TABLE compliance_watch_step ADD CONSTRAINT compliance_watch_step_step_check
    CHECK (step IN ('shadow', 'proposed', 'returned', 'active', 'retiring', 'retired'));
CREATE OR REPLACE FUNCTION compliance_watch_step_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    last compliance_watch_step;
    is_replaced boolean;
BEGIN
    SELECT * INTO last FROM compliance_watch_step WHERE rule_id = NEW.rule_id
        ORDER BY no DESC LIMIT 1;
    IF NEW.no <> coalesce(last.no, 0) + 1 THEN
        RAISE EXCEPTION 'watching: this rule has moved on' USING ERRCODE = 'restrict_violation';
    END IF;
    is_replaced := EXISTS (SELECT FROM compliance_watch_rule mine
        JOIN compliance_watch_rule other ON other.code = mine.code AND other.id <> mine.id
        JOIN LATERAL (SELECT step FROM compliance_watch_step WHERE rule_id = other.id
            ORDER BY no DESC LIMIT 1) s ON s.step = 'active'
        WHERE mine.id = NEW.rule_id);
    IF (last.id IS NULL AND NEW.step = 'shadow')
        OR (NEW.step = 'proposed' AND last.step IN ('shadow', 'returned', 'retired'))
        OR (NEW.step = 'returned' AND last.step = 'proposed')
        OR (NEW.step = 'active' AND last.step = 'proposed' AND NEW.by_actor <> last.by_actor)
        OR (NEW.step = 'retiring' AND last.step = 'active')
        OR (NEW.step = 'active' AND last.step = 'retiring')
        OR (NEW.step = 'retired' AND last.step = 'retiring' AND NEW.by_actor <> last.by_actor)
        OR (NEW.step = 'retired' AND last.step IN ('active', 'retiring') AND is_replaced) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'watching: this step does not follow, or takes another person'
        USING ERRCODE = 'restrict_violation';
END $$;
"""


#: The check of steps as it was before, without the trigger that asks it.
_STEPS_BEFORE: Final = (
    import_module("compliance.migrations.0008_watching")
    .KEEPING.partition("CREATE TRIGGER")[0]
    .replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
)
#: The way back, while no rule is being retired: the older table knows no such step.
LOOSENING = f"""
{_STEPS_BEFORE}
DROP TRIGGER compliance_watch_case_decided ON compliance_watch_case;
DROP FUNCTION compliance_watch_case_decided();
DROP TRIGGER compliance_watch_case_joined ON compliance_watch_case_alert;
DROP FUNCTION compliance_watch_case_joined();
ALTER TABLE compliance_watch_step DROP CONSTRAINT compliance_watch_step_step_check;
ALTER TABLE compliance_watch_step ADD CONSTRAINT compliance_watch_step_step_check
    CHECK (step IN ('shadow', 'proposed', 'returned', 'active', 'retired'));
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0012_hits_by_level")]
    operations = [migrations.RunSQL(KEEPING, LOOSENING)]

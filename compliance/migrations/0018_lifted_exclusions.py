"""An exclusion ends early in one way alone: two officers lift what officers decided by mistake.

An account that was taken for an excluded person's is free again when one officer proposes it and
another agrees. Whoever excluded themselves, or was excluded for harm, is not freed by it: the
register's entry says so. Everything else that would shorten an exclusion or a break is refused here.
"""

from django.db import migrations

from audit.append_only import runtime_role

TABLE = """
CREATE TABLE compliance_likeness_lift (
    id uuid PRIMARY KEY,
    likeness_id uuid NOT NULL REFERENCES compliance_likeness (id),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    reason text NOT NULL CHECK (reason <> '' AND length(reason) <= 2000),
    proposed_by bigint NOT NULL REFERENCES accounts_user (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decided_by bigint REFERENCES accounts_user (id),
    is_lifted boolean,
    decided_reason text NOT NULL DEFAULT '' CHECK (length(decided_reason) <= 2000),
    decided_in xid8,
    CHECK ((decided_at IS NULL) = (decided_by IS NULL)
        AND (decided_at IS NULL) = (is_lifted IS NULL)
        AND (decided_at IS NULL) = (decided_reason = '')
        AND (decided_at IS NULL) = (decided_in IS NULL)),
    CONSTRAINT compliance_likeness_lift_two_people
        CHECK (is_lifted IS NOT TRUE OR decided_by <> proposed_by)
);
CREATE UNIQUE INDEX compliance_likeness_lift_waits ON compliance_likeness_lift (likeness_id)
    WHERE decided_at IS NULL;
CREATE UNIQUE INDEX compliance_likeness_lift_once ON compliance_likeness_lift (likeness_id)
    WHERE is_lifted;
CREATE INDEX compliance_likeness_lift_player ON compliance_likeness_lift (player_id);
"""

KEEPING = """
CREATE FUNCTION compliance_likeness_lift_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'exclusion: what was said about lifting stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.decided_at IS NOT NULL OR NOT compliance_profile_officer(NEW.proposed_by)
            OR NOT EXISTS (SELECT FROM compliance_likeness WHERE id = NEW.likeness_id
                AND player_id = NEW.player_id AND is_same)
        THEN
            RAISE EXCEPTION 'exclusion: an officer proposes to lift what officers decided'
                USING ERRCODE = 'restrict_violation';
        END IF;
        NEW.at := clock_timestamp();
        RETURN NEW;
    END IF;
    IF OLD.decided_at IS NOT NULL OR NEW.decided_at IS NULL
        OR NOT compliance_profile_officer(NEW.decided_by)
    THEN
        RAISE EXCEPTION 'exclusion: lifting is decided once, by an officer'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.id := OLD.id; NEW.likeness_id := OLD.likeness_id; NEW.player_id := OLD.player_id;
    NEW.reason := OLD.reason; NEW.proposed_by := OLD.proposed_by; NEW.at := OLD.at;
    NEW.decided_at := clock_timestamp(); NEW.decided_in := pg_current_xact_id();
    IF NEW.is_lifted AND EXISTS (SELECT FROM compliance_register_entry
        WHERE player_id = NEW.player_id AND by_actor <> 'system:own_register')
    THEN
        RAISE EXCEPTION 'exclusion: their own, or an officer''s, is not lifted'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_likeness_lift_check
    BEFORE INSERT OR UPDATE OR DELETE ON compliance_likeness_lift
    FOR EACH ROW EXECUTE FUNCTION compliance_likeness_lift_check();
CREATE TRIGGER compliance_likeness_lift_no_truncate BEFORE TRUNCATE ON compliance_likeness_lift
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE FUNCTION compliance_exclusion_stays() RETURNS trigger
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
        OR (OLD.exclusion_holds AND NOT NEW.exclusion_holds AND NOT is_over)
    THEN
        RAISE EXCEPTION 'exclusion: it is not shortened' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_exclusion_stays BEFORE UPDATE ON compliance_standing
    FOR EACH ROW WHEN (OLD.excluded_until IS DISTINCT FROM NEW.excluded_until
        OR OLD.exclusion_holds IS DISTINCT FROM NEW.exclusion_holds
        OR OLD.cool_off_until IS DISTINCT FROM NEW.cool_off_until)
    EXECUTE FUNCTION compliance_exclusion_stays();
"""

DROP = """
DROP TRIGGER compliance_exclusion_stays ON compliance_standing;
DROP FUNCTION compliance_exclusion_stays();
DROP TABLE compliance_likeness_lift;
DROP FUNCTION compliance_likeness_lift_check();
"""


def _rights() -> str:
    role = runtime_role()
    return f"""
REVOKE ALL ON compliance_likeness_lift FROM PUBLIC, {role};
GRANT SELECT, INSERT ON compliance_likeness_lift TO {role};
GRANT UPDATE (decided_at, decided_by, is_lifted, decided_reason) ON compliance_likeness_lift
    TO {role};
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0017_registry_facts")]
    operations = [migrations.RunSQL(TABLE + KEEPING + _rights(), DROP)]

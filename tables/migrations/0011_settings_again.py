"""Settings, shifts and devices, as reviewed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models

from audit.append_only import runtime_role

#: A change begins as a proposal, is approved, and is applied in the transaction that names itself:
#: no single statement makes an approved change out of nothing.
CHANGES_IN_STEPS = """
CREATE FUNCTION tables_settingchange_steps() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.state <> 'proposed')
        OR (NEW.state <> 'applied' AND NEW.applied_in IS NOT NULL)
    THEN
        RAISE EXCEPTION 'setting_change: % as % is refused', TG_OP, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.state = 'applied'
        AND (OLD.state <> 'approved'
            OR NEW.applied_in IS DISTINCT FROM pg_current_xact_id()::text::bigint)
    THEN
        RAISE EXCEPTION 'setting_change: % from % to applied is refused', NEW.id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_settingchange_steps BEFORE INSERT OR UPDATE ON tables_settingchange
    FOR EACH ROW EXECUTE FUNCTION tables_settingchange_steps();
"""

CHANGES_IN_STEPS_REVERSE = """
DROP TRIGGER tables_settingchange_steps ON tables_settingchange;
DROP FUNCTION tables_settingchange_steps();
"""

#: What 0009 did for changed limits and rules, for the rest: first limits, pace, delay, status. A
#: table being set up is free: it is closed, and no round of it was ever opened. Stopping a table
#: takes one person, and a stopped one goes on by its incidents.
SETTINGS_GUARDED = """
CREATE FUNCTION tables_is_set_up(which varchar) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM tables_table WHERE id = which AND status <> 'closed')
        OR EXISTS (SELECT FROM tables_round WHERE table_id = which)
$$;

CREATE FUNCTION tables_is_asked(which varchar, what varchar, currency varchar, wanted jsonb)
RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM tables_settingchange c
        WHERE c.table_id = which AND c.kind = what AND c.target = currency
            AND c.state = 'applied' AND c.after = wanted
            AND c.applied_in = pg_current_xact_id()::text::bigint)
$$;

CREATE FUNCTION tables_tablelimits_first() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF tables_is_set_up(NEW.table_id)
        AND NOT tables_is_asked(NEW.table_id, 'limits', NEW.currency, NEW.limits)
    THEN
        RAISE EXCEPTION 'four_eyes: limits without an approved change are refused'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_tablelimits_first BEFORE INSERT ON tables_tablelimits
    FOR EACH ROW EXECUTE FUNCTION tables_tablelimits_first();

CREATE FUNCTION tables_table_guarded() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    paced CONSTANT text[] := ARRAY['betting_window_ms', 'closing_soon_ms', 'intermission_ms',
        'launch_deadline_ms', 'spin_deadline_ms', 'source_wait_ms', 'device_silence_ms',
        'respins_max'];
    pace jsonb;
BEGIN
    SELECT jsonb_object_agg(name, to_jsonb(NEW) -> name) INTO pace FROM unnest(paced) AS name;
    IF NOT tables_is_set_up(NEW.id) THEN
        RETURN NEW;
    END IF;
    IF NOT to_jsonb(OLD) @> pace AND NOT tables_is_asked(NEW.id, 'pace', '', pace)
        OR NEW.latency_bound_ms <> OLD.latency_bound_ms
            AND NOT tables_is_asked(NEW.id, 'latency', '',
                jsonb_build_object('latency_bound_ms', NEW.latency_bound_ms))
        OR NEW.status <> OLD.status AND 'suspended' NOT IN (OLD.status, NEW.status)
            AND NOT tables_is_asked(NEW.id, 'status', '',
                jsonb_build_object('status', NEW.status))
    THEN
        RAISE EXCEPTION 'four_eyes: % on % without an approved change is refused', TG_OP,
            TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_table_guarded BEFORE UPDATE ON tables_table
    FOR EACH ROW WHEN (NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION tables_table_guarded();
"""

SETTINGS_GUARDED_REVERSE = """
DROP TRIGGER tables_table_guarded ON tables_table;
DROP FUNCTION tables_table_guarded();
DROP TRIGGER tables_tablelimits_first ON tables_tablelimits;
DROP FUNCTION tables_tablelimits_first();
DROP FUNCTION tables_is_asked(varchar, varchar, varchar, jsonb);
DROP FUNCTION tables_is_set_up(varchar);
"""

#: As 0008, with who signed a presenter off.
SHIFT_ENDS = """
DROP TRIGGER tables_shift_fixed ON tables_shift;
CREATE TRIGGER tables_shift_fixed BEFORE UPDATE OR DELETE ON tables_shift
    FOR EACH ROW EXECUTE FUNCTION
    tables_record_fixed('{ended_at,ended_by,leaving_at,leaving_by}');
"""

SHIFT_ENDS_REVERSE = """
DROP TRIGGER tables_shift_fixed ON tables_shift;
CREATE TRIGGER tables_shift_fixed BEFORE UPDATE OR DELETE ON tables_shift
    FOR EACH ROW EXECUTE FUNCTION tables_record_fixed('{ended_at,ended_by,leaving_at}');
"""


def allow(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(f"GRANT UPDATE (leaving_by) ON tables_shift TO {runtime_role()}")


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tables", "0010_incidents_again")]

    operations: ClassVar = [
        migrations.AddField(
            "shift",
            "leaving_by",
            models.CharField(blank=True, default="", max_length=80),
            preserve_default=False,
        ),
        migrations.RunSQL(SHIFT_ENDS, SHIFT_ENDS_REVERSE),
        migrations.RunPython(allow, migrations.RunPython.noop),
        migrations.RunSQL(CHANGES_IN_STEPS, CHANGES_IN_STEPS_REVERSE),
        migrations.RunSQL(SETTINGS_GUARDED, SETTINGS_GUARDED_REVERSE),
    ]

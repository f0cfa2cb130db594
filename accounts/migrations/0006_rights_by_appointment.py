"""A right needs an appointment, and an appointment what two administrators approved."""

from typing import Any, ClassVar

import django.db.models.deletion
from django.db import migrations, models

from accounts.models import SET_UP
from accounts.roles import Role
from audit.append_only import definer_only_sql, runtime_role

CLOSED = "The account was closed."


def complete(apps: Any, schema_editor: Any) -> None:
    """Whoever held rights without an appointment, from before there were any, has one now.

    Django's "superusers" were made by command as first administrators: that is what they are.
    Nobody gets a right here that they did not have.
    """
    user_model, appointment = _model(apps, "User"), _model(apps, "Appointment")
    administrators = apps.get_model("auth", "Group").objects.filter(name=Role.ADMINISTRATOR.value)
    for user in user_model.objects.filter(is_superuser=True, is_active=True):
        user.groups.add(*administrators)
        user_model.objects.filter(pk=user.pk).update(is_staff=True)
    for user in user_model.objects.filter(is_staff=True, is_active=True):
        held = set(
            appointment.objects.filter(user=user, ended_at__isnull=True).values_list(
                "role", flat=True
            )
        )
        groups = set(user.groups.values_list("name", flat=True)) & {role.value for role in Role}
        for role in sorted(groups - held):
            appointment.objects.create(
                user=user, role=role, appointed_by=SET_UP, reason="Held it before the register."
            )
    appointment.objects.filter(user__is_active=False, ended_at__isnull=True).update(
        ended_at=models.functions.Now(), ended_by=SET_UP, end_reason=CLOSED
    )
    # names stood in what administrators and auditors were told; the register still has all of it
    apps.get_model("notices", "Notice").objects.filter(kind="staff_news").update(
        context={"news": "A matter of staff", "person_id": "?", "by": "an administrator"}
    )
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _model(apps: Any, name: str) -> Any:
    return apps.get_model("accounts", name)


#: Set-up is believed before there was an administrator, from the owner of the tables, and where
#: the owner has opened it: `migrate` does in a demo and in tests, never in production.
GUARD = """
CREATE TABLE accounts_set_up_open (opened_at timestamptz NOT NULL DEFAULT now());

CREATE FUNCTION accounts_is_administrator(who text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM accounts_appointment a JOIN accounts_user u ON u.id = a.user_id
        WHERE a.role = 'administrator' AND 'staff:' || a.user_id = who AND u.is_active
            AND a.ended_at IS NULL AND coalesce(a.until, 'infinity') > clock_timestamp())
$$;

CREATE OR REPLACE FUNCTION accounts_somebody_else_could(proposer text, concerned bigint)
RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM accounts_appointment a JOIN accounts_user u ON u.id = a.user_id
        WHERE a.role = 'administrator' AND 'staff:' || a.user_id <> proposer
            AND a.user_id <> concerned AND (u.is_active OR a.ended_at IS NOT NULL)
            AND LEAST(coalesce(a.ended_at, 'infinity'), coalesce(a.until, 'infinity'))
                > clock_timestamp() - interval '7 days')
$$;

CREATE FUNCTION accounts_staffchange_decided() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT accounts_is_administrator(NEW.proposed_by) THEN
            RAISE EXCEPTION 'four_eyes: % is no administrator', NEW.proposed_by
                USING ERRCODE = 'restrict_violation';
        END IF;
        NEW.proposed_at := clock_timestamp();
        NEW.decided_in := NULL;
        RETURN NEW;
    END IF;
    IF NEW.state = 'proposed' THEN
        NEW.decided_in := NULL;
        RETURN NEW;
    END IF;
    IF NEW.state = 'approved' AND NOT accounts_is_administrator(NEW.decided_by) THEN
        RAISE EXCEPTION 'four_eyes: % is no administrator', NEW.decided_by
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.decided_at := clock_timestamp();
    NEW.decided_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_staffchange_decided BEFORE INSERT OR UPDATE ON accounts_staffchange
    FOR EACH ROW EXECUTE FUNCTION accounts_staffchange_decided();
CREATE TRIGGER accounts_staffchange_no_truncate BEFORE TRUNCATE ON accounts_staffchange
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE OR REPLACE FUNCTION accounts_appointment_asked() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM accounts_user WHERE id = NEW.user_id AND is_active AND is_staff FOR SHARE;
    IF NOT FOUND OR NEW.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'appointment: only active staff hold a role'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.appointed_by = 'system:set-up' AND NEW.change_id IS NULL AND (
        EXISTS (SELECT FROM accounts_set_up_open)
        OR NOT EXISTS (SELECT FROM accounts_appointment WHERE role = 'administrator')
        OR pg_has_role(current_user,
            (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')) THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM accounts_staffchange c
        WHERE c.id = NEW.change_id AND c.kind = 'role' AND c.state = 'approved'
            AND c.user_id = NEW.user_id AND c.role = NEW.role
            AND c.until IS NOT DISTINCT FROM NEW.until AND c.proposed_by = NEW.appointed_by
            AND c.decided_in = pg_current_xact_id()::text::bigint
            AND c.decided_at >= transaction_timestamp()) THEN
        RAISE EXCEPTION 'four_eyes: a role is given by an approved change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.since := clock_timestamp();
    RETURN NEW;
END $$;

CREATE FUNCTION accounts_appointment_ends_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    ending CONSTANT text[] := ARRAY['ended_at', 'ended_by', 'end_reason'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'appointment: DELETE of % is refused', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL
        OR to_jsonb(NEW) - ending IS DISTINCT FROM to_jsonb(OLD) - ending THEN
        RAISE EXCEPTION 'appointment: % only ends, and once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.ended_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_appointment_ends_only BEFORE UPDATE OR DELETE ON accounts_appointment
    FOR EACH ROW EXECUTE FUNCTION accounts_appointment_ends_only();
CREATE TRIGGER accounts_appointment_no_truncate BEFORE TRUNCATE ON accounts_appointment
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE FUNCTION accounts_user_closed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE accounts_appointment SET ended_at = clock_timestamp(), ended_by = 'system:accounts',
        end_reason = 'The account was closed.' WHERE user_id = NEW.id AND ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_user_closed AFTER UPDATE OF is_active ON accounts_user
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active)
    EXECUTE FUNCTION accounts_user_closed();

CREATE FUNCTION accounts_group_appointed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM accounts_appointment a JOIN auth_group g ON g.name = a.role
        WHERE g.id = NEW.group_id AND a.user_id = NEW.user_id AND a.ended_at IS NULL) THEN
        RAISE EXCEPTION 'four_eyes: a group is given to the appointed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_group_appointed BEFORE INSERT OR UPDATE ON accounts_user_groups
    FOR EACH ROW EXECUTE FUNCTION accounts_group_appointed();
"""

#: As 0005 had it.
GUARD_REVERSE = """
DROP TRIGGER accounts_group_appointed ON accounts_user_groups;
DROP FUNCTION accounts_group_appointed();
DROP TRIGGER accounts_user_closed ON accounts_user;
DROP FUNCTION accounts_user_closed();
DROP TRIGGER accounts_appointment_no_truncate ON accounts_appointment;
DROP TRIGGER accounts_appointment_ends_only ON accounts_appointment;
DROP FUNCTION accounts_appointment_ends_only();
DROP TRIGGER accounts_staffchange_no_truncate ON accounts_staffchange;
DROP TRIGGER accounts_staffchange_decided ON accounts_staffchange;
DROP FUNCTION accounts_staffchange_decided();
DROP FUNCTION accounts_is_administrator(text);
DROP TABLE accounts_set_up_open;
CREATE OR REPLACE FUNCTION accounts_appointment_asked() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.appointed_by LIKE 'staff:%' AND NOT EXISTS (SELECT FROM accounts_staffchange c
        WHERE c.user_id = NEW.user_id AND c.role = NEW.role AND c.kind = 'role'
            AND c.state = 'approved' AND c.proposed_by = NEW.appointed_by
            AND c.decided_at >= transaction_timestamp()) THEN
        RAISE EXCEPTION 'four_eyes: a role is given by an approved change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def _rights() -> str:
    """What a role may do, and who was appointed how, is not the running role's to write."""
    role = runtime_role()
    return f"""
REVOKE ALL ON accounts_appointment FROM PUBLIC, {role};
GRANT SELECT, INSERT ON accounts_appointment TO {role};
GRANT UPDATE (ended_at, ended_by, end_reason) ON accounts_appointment TO {role};
REVOKE INSERT, UPDATE, DELETE ON auth_group, auth_group_permissions, auth_permission FROM {role};
REVOKE UPDATE, DELETE ON django_content_type FROM {role};
{definer_only_sql("accounts_set_up_open")}
"""


def _rights_reverse() -> str:
    role = runtime_role()
    return f"""
GRANT UPDATE, DELETE ON accounts_appointment TO {role};
GRANT INSERT, UPDATE, DELETE ON auth_group, auth_group_permissions, auth_permission TO {role};
GRANT UPDATE, DELETE ON django_content_type TO {role};
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("accounts", "0005_two_for_a_role"),
        ("audit", "0002_record"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("notices", "0001_initial"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            "appointment",
            "change",
            models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="appointment",
                to="accounts.staffchange",
            ),
        ),
        migrations.AddField(
            "staffchange", "decided_in", models.BigIntegerField(editable=False, null=True)
        ),
        migrations.RunPython(complete, migrations.RunPython.noop),
        migrations.RemoveField("user", "is_superuser"),
        migrations.RemoveField("user", "user_permissions"),
        migrations.RunSQL(GUARD, GUARD_REVERSE),
        migrations.RunSQL(_rights(), _rights_reverse()),
    ]

"""Inspectors: people from outside, whose role ends on a day and stands alone."""

from typing import Any

from django.db import migrations, models
from django.db.migrations.exceptions import IrreversibleError
from django.db.models.functions import Now

from accounts.roles import Role, grant, withdraw

#: Over people; what else they read is granted where it lies.
SEE = (
    "accounts.user:from_outside",
    "accounts.view_user",
    "accounts.view_player",
    "accounts.view_appointment",
    "accounts.player:open_file",
    "accounts.player:see_identity",
)

#: Fires before the guard of 0006, which takes a weaker lock on the same row.
ALONE = """
CREATE FUNCTION accounts_appointment_alone() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM accounts_user WHERE id = NEW.user_id FOR UPDATE;
    IF EXISTS (SELECT FROM accounts_appointment a
        WHERE a.user_id = NEW.user_id AND a.ended_at IS NULL
            AND coalesce(a.until, 'infinity') > clock_timestamp()
            AND (a.role = 'inspector') <> (NEW.role = 'inspector')) THEN
        RAISE EXCEPTION 'outside: an inspector holds no other role'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_appointment_alone BEFORE INSERT ON accounts_appointment
    FOR EACH ROW EXECUTE FUNCTION accounts_appointment_alone();
"""

TOGETHER = """
DROP TRIGGER accounts_appointment_alone ON accounts_appointment;
DROP FUNCTION accounts_appointment_alone();
"""


def allow(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.INSPECTOR, SEE)


def forbid(apps: Any, schema_editor: Any) -> None:
    """Not while somebody inspects: without the wall they would be staff like any other."""
    appointments = apps.get_model("accounts", "Appointment").objects.filter(
        role=Role.INSPECTOR.value, ended_at__isnull=True, until__gt=Now()
    )
    if appointments.exists():
        raise IrreversibleError("an inspector is in office: end their role first")
    withdraw(apps, Role.INSPECTOR, SEE)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_session_use")]
    operations = [
        migrations.AddConstraint(
            model_name="appointment",
            constraint=models.CheckConstraint(
                condition=~models.Q(role="inspector") | models.Q(until__isnull=False),
                name="accounts_appointment_inspector_ends",
            ),
        ),
        migrations.RunSQL(ALONE, TOGETHER),
        migrations.RunPython(allow, forbid),
    ]

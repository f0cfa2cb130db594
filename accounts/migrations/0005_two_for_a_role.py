"""Roles and resets of second factors are proposed by one administrator and approved by another."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

#: Administrators whose role ended within a week still count: nobody makes themselves the only one
#: by dismissing the other first. Whom it concerns cannot approve, so does not count either.
GUARD = """
CREATE FUNCTION accounts_somebody_else_could(proposer text, concerned bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM accounts_appointment a
        WHERE a.role = 'administrator' AND 'staff:' || a.user_id <> proposer
            AND a.user_id <> concerned
            AND LEAST(coalesce(a.ended_at, 'infinity'), coalesce(a.until, 'infinity'))
                > clock_timestamp() - interval '7 days')
$$;

CREATE FUNCTION accounts_staffchange_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'proposed' OR NEW.is_alone
            OR NEW.proposed_by = 'staff:' || NEW.user_id THEN
            RAISE EXCEPTION 'four_eyes: a change of staff begins as a proposal by another'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR OLD.state <> 'proposed'
        OR (NEW.id, NEW.kind, NEW.user_id, NEW.role, NEW.until, NEW.reason, NEW.proposed_by,
            NEW.proposed_at)
            IS DISTINCT FROM (OLD.id, OLD.kind, OLD.user_id, OLD.role, OLD.until, OLD.reason,
            OLD.proposed_by, OLD.proposed_at) THEN
        RAISE EXCEPTION 'staff_change: % of % is refused', TG_OP, OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.is_alone AND accounts_somebody_else_could(NEW.proposed_by, NEW.user_id) THEN
        RAISE EXCEPTION 'four_eyes: somebody else could approve %', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_staffchange_fixed BEFORE INSERT OR UPDATE OR DELETE ON accounts_staffchange
    FOR EACH ROW EXECUTE FUNCTION accounts_staffchange_fixed();

CREATE FUNCTION accounts_appointment_asked() RETURNS trigger
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
CREATE TRIGGER accounts_appointment_asked BEFORE INSERT ON accounts_appointment
    FOR EACH ROW EXECUTE FUNCTION accounts_appointment_asked();
"""

GUARD_REVERSE = """
DROP TRIGGER accounts_appointment_asked ON accounts_appointment;
DROP FUNCTION accounts_appointment_asked();
DROP TRIGGER accounts_staffchange_fixed ON accounts_staffchange;
DROP FUNCTION accounts_staffchange_fixed();
DROP FUNCTION accounts_somebody_else_could(text, bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_appointments")]

    operations = [
        migrations.CreateModel(
            name="StaffChange",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("role", "give a role"), ("reset", "reset the second factor")],
                        max_length=8,
                    ),
                ),
                ("role", models.CharField(blank=True, max_length=20)),
                ("until", models.DateTimeField(null=True)),
                ("reason", models.CharField(max_length=400)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "proposed"),
                            ("approved", "approved"),
                            ("rejected", "rejected"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("proposed_by", models.CharField(max_length=80)),
                (
                    "proposed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("decided_by", models.CharField(blank=True, max_length=80)),
                ("decided_at", models.DateTimeField(null=True)),
                ("decision", models.CharField(blank=True, max_length=400)),
                ("is_alone", models.BooleanField(default=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="staff_changes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "change of staff",
                "verbose_name_plural": "changes of staff",
                "ordering": ["-proposed_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "proposed")),
                        fields=("user", "kind", "role"),
                        name="accounts_staffchange_waits_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(state="proposed", decided_by="", decided_at__isnull=True)
                        | ~models.Q(state="proposed")
                        & ~models.Q(decided_by="")
                        & models.Q(decided_at__isnull=False),
                        name="accounts_staffchange_decided",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(state__in=["proposed", "withdrawn"])
                        | ~models.Q(decided_by=models.F("proposed_by"))
                        | models.Q(state="approved", is_alone=True),
                        name="accounts_staffchange_two_people",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(
                            decided_by=django.db.models.functions.text.Concat(
                                models.Value("staff:"),
                                django.db.models.functions.comparison.Cast(
                                    "user_id", models.CharField()
                                ),
                            )
                        ),
                        name="accounts_staffchange_by_another",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARD, GUARD_REVERSE),
    ]

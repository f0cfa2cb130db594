"""Presenters: authorisations, shifts, inspections, the rules as published, the console's acts.

Nobody's screen decides whether a round opens: the database refuses a round without a presenter on
shift at that table who holds what a presenter needs, and without an inspection that holds today.
"""

import uuid
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql, runtime_role

#: A record may end in the one way it has; everything else of it stays as it was written.
FIXED = """
CREATE FUNCTION tables_record_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    ends text[] := TG_ARGV[0]::text[];
BEGIN
    IF TG_OP = 'DELETE'
        OR to_jsonb(OLD) ->> ends[1] IS NOT NULL
        OR (to_jsonb(NEW) - ends) IS DISTINCT FROM (to_jsonb(OLD) - ends)
    THEN
        RAISE EXCEPTION 'fixed_record: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_authorisation_fixed BEFORE UPDATE OR DELETE ON tables_authorisation
    FOR EACH ROW EXECUTE FUNCTION
    tables_record_fixed('{revoked_at,revoked_by,revoked_because}');
CREATE TRIGGER tables_shift_fixed BEFORE UPDATE OR DELETE ON tables_shift
    FOR EACH ROW EXECUTE FUNCTION tables_record_fixed('{ended_at,ended_by,leaving_at}');
CREATE TRIGGER tables_equipment_fixed BEFORE UPDATE OR DELETE ON tables_equipment
    FOR EACH ROW EXECUTE FUNCTION tables_record_fixed('{retired_at,retired_because}');
ALTER TABLE tables_authorisation ADD CONSTRAINT authorisation_by_another
    CHECK (granted_by <> 'staff:' || presenter_id);
"""

#: The last word on F22 and F27, whichever code opens the round; the code says why beforehand.
ROUND_PRESENTED = """
CREATE FUNCTION tables_round_presented() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    who bigint;
    played text;
    needed text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.shift_id IS DISTINCT FROM OLD.shift_id THEN
            RAISE EXCEPTION 'round_presenter: the presenter of a round does not change'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    SELECT s.presenter_id, t.game INTO who, played
      FROM tables_shift s JOIN tables_table t ON t.id = s.table_id
     WHERE s.id = NEW.shift_id AND s.table_id = NEW.table_id AND s.ended_at IS NULL;
    IF who IS NULL THEN
        RAISE EXCEPTION 'round_presenter: nobody is on shift at %', NEW.table_id
            USING ERRCODE = 'check_violation';
    END IF;
    FOREACH needed IN ARRAY ARRAY['licence', 'training', 'game'] LOOP
        IF NOT EXISTS (
            SELECT FROM tables_authorisation a
             WHERE a.presenter_id = who AND a.kind = needed AND a.revoked_at IS NULL
               AND a.game = CASE needed WHEN 'licence' THEN '' ELSE played END
               AND a.valid_from <= clock_timestamp() AND a.valid_until > clock_timestamp())
        THEN
            RAISE EXCEPTION 'round_presenter: no valid % of the presenter at %',
                needed, NEW.table_id USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    IF NOT coalesce(
        (SELECT i.passed AND i.valid_until > clock_timestamp() FROM tables_inspection i
          WHERE i.table_id = NEW.table_id ORDER BY i.inspected_at DESC, i.id DESC LIMIT 1), false)
    THEN
        RAISE EXCEPTION 'round_inspection: % is not inspected today', NEW.table_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_round_presented BEFORE INSERT OR UPDATE OF shift_id ON tables_round
    FOR EACH ROW EXECUTE FUNCTION tables_round_presented();
"""

REVERSE = """
DROP TRIGGER tables_round_presented ON tables_round;
DROP FUNCTION tables_round_presented();
DROP TRIGGER tables_authorisation_fixed ON tables_authorisation;
DROP TRIGGER tables_shift_fixed ON tables_shift;
DROP TRIGGER tables_equipment_fixed ON tables_equipment;
DROP FUNCTION tables_record_fixed();
"""

WATCH = (
    "tables.view_shift",
    "tables.view_authorisation",
    "tables.view_equipment",
    "tables.view_inspection",
    "tables.view_publishedrules",
    "tables.view_consoleact",
)

RIGHTS = {
    Role.PRESENTER: ("tables.view_table", "tables.shift:present"),
    Role.PIT_BOSS: (
        *WATCH,
        "tables.shift:relieve",
        "tables.inspection:inspect",
        "tables.equipment:register_equipment",
    ),
    Role.COMPLIANCE: (
        *WATCH,
        "tables.authorisation:authorise",
        "tables.publishedrules:publish_rules",
    ),
    Role.AUDITOR: WATCH,
    Role.ADMINISTRATOR: (
        *WATCH,
        "tables.authorisation:authorise",
        "tables.publishedrules:publish_rules",
    ),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


def protect(apps: Any, schema_editor: Any) -> None:
    for table in ("tables_inspection", "tables_publishedrules", "tables_consoleact"):
        schema_editor.execute(protect_sql(table))
    for table, ends in (
        ("tables_authorisation", "revoked_at, revoked_by, revoked_because"),
        ("tables_shift", "ended_at, ended_by, leaving_at"),
        ("tables_equipment", "retired_at, retired_because"),
    ):
        schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {runtime_role()}")
        schema_editor.execute(f"GRANT UPDATE ({ends}) ON {table} TO {runtime_role()}")


class Migration(migrations.Migration):
    dependencies = [
        ("tables", "0007_the_floor"),
        ("accounts", "0002_roles"),
        ("audit", "0001_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="PublishedRules",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("ruleset", models.CharField(max_length=40)),
                ("engine_hash", models.CharField(max_length=64)),
                ("shown_hash", models.CharField(max_length=64)),
                ("shown", models.JSONField()),
                ("published_at", models.DateTimeField()),
                ("published_by", models.CharField(max_length=80)),
            ],
            options={
                "ordering": ["-published_at"],
                "permissions": [("publish_rules", "Can publish the rules shown to players")],
                "indexes": [
                    models.Index(fields=["ruleset", "-published_at"], name="publishedrules_newest")
                ],
            },
        ),
        migrations.CreateModel(
            name="Shift",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("began_by", models.CharField(max_length=80)),
                ("leaving_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=80)),
                (
                    "presenter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "table",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shifts",
                        to="tables.table",
                    ),
                ),
            ],
            options={
                "ordering": ["-began_at"],
                "permissions": [
                    ("present", "Can sign on to a table and present"),
                    ("relieve", "Can end the shift of a presenter"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ConsoleAct",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("presenter_id", models.BigIntegerField()),
                ("key", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=16)),
                ("fingerprint", models.CharField(max_length=64)),
                ("round_number", models.BigIntegerField(null=True)),
                ("phase", models.CharField(max_length=16)),
                ("spin", models.PositiveSmallIntegerField()),
                ("sighting_n", models.BigIntegerField()),
                ("answer", models.JSONField()),
                ("at", models.DateTimeField()),
                (
                    "table",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tables.table",
                    ),
                ),
                (
                    "shift",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="acts",
                        to="tables.shift",
                    ),
                ),
            ],
            options={
                "ordering": ["-at"],
            },
        ),
        migrations.AddField(
            model_name="round",
            name="shift",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="rounds",
                to="tables.shift",
            ),
        ),
        migrations.CreateModel(
            name="Authorisation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("licence", "licence"),
                            ("training", "training"),
                            ("game", "game authorisation"),
                        ],
                        max_length=12,
                    ),
                ),
                ("game", models.CharField(blank=True, max_length=20)),
                ("number", models.CharField(blank=True, max_length=60)),
                ("valid_from", models.DateTimeField()),
                ("valid_until", models.DateTimeField()),
                ("granted_at", models.DateTimeField()),
                ("granted_by", models.CharField(max_length=80)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=80)),
                ("revoked_because", models.CharField(blank=True, max_length=200)),
                (
                    "presenter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["presenter_id", "kind", "game", "-valid_until"],
                "permissions": [("authorise", "Can record and revoke authorisations")],
                "indexes": [
                    models.Index(
                        fields=["presenter", "kind", "game"], name="authorisation_of_presenter"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("valid_until__gt", models.F("valid_from"))),
                        name="authorisation_lasts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("game", ""),
                                ("kind", "licence"),
                                models.Q(("number", ""), _negated=True),
                            ),
                            models.Q(
                                ("kind__in", ["training", "game"]),
                                models.Q(("game", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="authorisation_says_for_what",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Equipment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("wheel", "wheel"),
                            ("ball", "ball"),
                            ("table", "table and layout"),
                        ],
                        max_length=12,
                    ),
                ),
                ("serial", models.CharField(max_length=60)),
                ("in_service_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(null=True)),
                ("retired_because", models.CharField(blank=True, max_length=200)),
                (
                    "table",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="equipment",
                        to="tables.table",
                    ),
                ),
            ],
            options={
                "ordering": ["table_id", "kind", "serial"],
                "permissions": [("register_equipment", "Can register and retire equipment")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("retired_at", None)),
                        fields=("kind", "serial"),
                        name="equipment_in_service_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Inspection",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("gaming_day", models.DateField()),
                ("inspected_at", models.DateTimeField()),
                ("valid_until", models.DateTimeField()),
                ("inspected_by", models.CharField(max_length=80)),
                ("checks", models.JSONField()),
                ("passed", models.BooleanField()),
                ("note", models.CharField(blank=True, max_length=400)),
                ("key", models.CharField(max_length=64)),
                (
                    "table",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inspections",
                        to="tables.table",
                    ),
                ),
            ],
            options={
                "ordering": ["-inspected_at"],
                "permissions": [("inspect", "Can record an inspection of a table")],
                "indexes": [
                    models.Index(fields=["table", "-inspected_at"], name="inspection_newest")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("table", "key"), name="inspection_key_once")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="shift",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("table",),
                name="shift_one_per_table",
            ),
        ),
        migrations.AddConstraint(
            model_name="shift",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("presenter",),
                name="shift_one_per_presenter",
            ),
        ),
        migrations.AddConstraint(
            model_name="shift",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ended_at", None), ("ended_at__gte", models.F("began_at")), _connector="OR"
                ),
                name="shift_ends_after_it_began",
            ),
        ),
        migrations.AddConstraint(
            model_name="consoleact",
            constraint=models.UniqueConstraint(
                fields=("presenter_id", "key"), name="console_act_key_once"
            ),
        ),
        migrations.RunSQL(FIXED + ROUND_PRESENTED, REVERSE),
        migrations.RunPython(protect, migrations.RunPython.noop),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

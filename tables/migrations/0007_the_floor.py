"""The floor: incidents worked off by people, manual results, corrections."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from accounts.roles import Role, grant
from audit.append_only import protect_sql

#: Rows that are only ever added.
RECORDS = ("tables_incidentact", "tables_manualentry", "tables_correctionshare")

#: A suspended round becomes official only on the number that two people entered, and a number that
#: stood changes only by an approved correction: whatever code says.
RESULTS_GUARDED = """
CREATE FUNCTION tables_round_result_guarded() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.phase = 'suspended' AND NEW.phase = 'official' AND 2 <> (
        SELECT count(DISTINCT e.actor) FROM tables_manualentry e
        WHERE e.round_id = NEW.id AND e.number = NEW.result AND e.attempt = (
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
REVOKE ALL ON FUNCTION tables_round_result_guarded() FROM PUBLIC;
CREATE TRIGGER tables_round_result_guarded BEFORE UPDATE ON tables_round
    FOR EACH ROW EXECUTE FUNCTION tables_round_result_guarded();
"""

RESULTS_GUARDED_REVERSE = """
DROP TRIGGER tables_round_result_guarded ON tables_round;
DROP FUNCTION tables_round_result_guarded();
"""

PIT = (
    "tables.incident:work_incidents",
    "tables.incident:enter_result",
    "tables.incident:correct_result",
)
#: Who approves a correction is not who proposes it: the pit proposes, the desks decide.
DESKS = ("tables.incident:approve_correction", "tables.view_correction", "tables.view_incident")

RIGHTS = {
    Role.PIT_BOSS: (*PIT, "tables.view_correction"),
    Role.COMPLIANCE: DESKS,
    Role.FINANCE: DESKS,
    Role.AUDITOR: ("tables.view_correction",),
    Role.ADMINISTRATOR: ("tables.view_correction",),
}


def protect(apps: Any, schema_editor: Any) -> None:
    for table in RECORDS:
        schema_editor.execute(protect_sql(table))


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [("tables", "0006_latency_bound"), ("accounts", "0002_roles")]

    operations = [
        migrations.AddField("round", "corrected_from", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("round", "corrected_at", models.DateTimeField(null=True)),
        migrations.AddField("incident", "version", models.PositiveIntegerField(default=1)),
        *[
            migrations.AddField(
                "incident",
                name,
                models.CharField(blank=True, default="", max_length=length),
                preserve_default=False,
            )
            for name, length in (
                ("procedure", 40),
                ("phase_before", 16),
                ("taken_by", 80),
                ("proposed_by", 80),
                ("cause", 200),
                ("report_ref", 80),
            )
        ],
        *[
            migrations.AddField("incident", name, models.DateTimeField(null=True))
            for name in ("proposed_at", "report_due_at", "reported_at")
        ],
        migrations.AddField("incident", "needs_second_person", models.BooleanField(default=False)),
        migrations.AddConstraint(
            "incident",
            models.CheckConstraint(
                condition=models.Q(resolved_at__isnull=True)
                | models.Q(needs_second_person=False)
                | (~models.Q(proposed_by="") & ~models.Q(proposed_by=models.F("resolved_by"))),
                name="incident_two_people_resume",
            ),
        ),
        migrations.CreateModel(
            name="IncidentAct",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("n", models.PositiveIntegerField()),
                ("act", models.CharField(max_length=20)),
                ("actor", models.CharField(max_length=80)),
                ("at", models.DateTimeField()),
                ("key", models.CharField(max_length=64)),
                ("fingerprint", models.CharField(max_length=64)),
                ("data", models.JSONField(default=dict)),
                ("code", models.CharField(blank=True, max_length=40)),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="acts",
                        to="tables.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["incident", "n"],
                "constraints": [
                    models.UniqueConstraint(fields=["incident", "n"], name="incident_act_in_order"),
                    models.UniqueConstraint(fields=["actor", "key"], name="incident_act_key_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ManualEntry",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("attempt", models.PositiveSmallIntegerField()),
                ("place", models.PositiveSmallIntegerField()),
                ("number", models.PositiveSmallIntegerField()),
                ("actor", models.CharField(max_length=80)),
                ("at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tables.incident",
                    ),
                ),
                (
                    "round",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="tables.round",
                    ),
                ),
            ],
            options={
                "ordering": ["round", "attempt", "place"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["round", "attempt", "place"], name="manual_entry_place_once"
                    ),
                    models.UniqueConstraint(
                        fields=["round", "attempt", "actor"], name="manual_entry_two_people"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(place__in=[1, 2]), name="manual_entry_two_places"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(number__lte=36), name="manual_entry_on_the_wheel"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "proposed"),
                            ("declined", "declined"),
                            ("approved", "approved"),
                            ("done", "done"),
                        ],
                        max_length=10,
                    ),
                ),
                ("to_version", models.PositiveSmallIntegerField()),
                ("old_number", models.PositiveSmallIntegerField()),
                ("new_number", models.PositiveSmallIntegerField()),
                ("old_sources", models.JSONField(default=list)),
                ("reason", models.CharField(max_length=400)),
                ("proposed_by", models.CharField(max_length=80)),
                ("proposed_at", models.DateTimeField()),
                ("key", models.CharField(max_length=64)),
                ("fingerprint", models.CharField(max_length=64)),
                ("decided_by", models.CharField(blank=True, max_length=80)),
                ("decided_at", models.DateTimeField(null=True)),
                ("decline_reason", models.CharField(blank=True, max_length=400)),
                (
                    "shortfall",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("receivable", "the player owes it"),
                            ("house", "the house bears it"),
                        ],
                        max_length=10,
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "round",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="tables.round",
                    ),
                ),
            ],
            options={
                "ordering": ["-proposed_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["proposed_by", "key"], name="correction_key_once"
                    ),
                    models.UniqueConstraint(
                        fields=["round"],
                        condition=models.Q(state__in=["proposed", "approved"]),
                        name="correction_one_at_a_time",
                    ),
                    models.UniqueConstraint(
                        fields=["round", "to_version"],
                        condition=models.Q(state__in=["approved", "done"]),
                        name="correction_version_once",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(decided_by=models.F("proposed_by")),
                        name="correction_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(state="proposed", decided_by="", decided_at__isnull=True)
                        | (~models.Q(state="proposed") & ~models.Q(decided_by="")),
                        name="correction_decided_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(state__in=["approved", "done"])
                        | ~models.Q(shortfall=""),
                        name="correction_says_who_bears",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(new_number__lte=36)
                        & ~models.Q(new_number=models.F("old_number")),
                        name="correction_changes_the_number",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CorrectionShare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("player_id", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reversed_minor", models.BigIntegerField()),
                ("taken_minor", models.BigIntegerField()),
                ("owed_minor", models.BigIntegerField()),
                ("lost_minor", models.BigIntegerField()),
                ("paid_minor", models.BigIntegerField()),
                ("regained_minor", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "correction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shares",
                        to="tables.correction",
                    ),
                ),
            ],
            options={
                "ordering": ["correction", "player_id", "currency"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["correction", "player_id", "currency"],
                        name="correction_share_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            reversed_minor=models.F("taken_minor")
                            + models.F("owed_minor")
                            + models.F("lost_minor")
                        ),
                        name="correction_share_adds_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            taken_minor__gte=0,
                            owed_minor__gte=0,
                            lost_minor__gte=0,
                            paid_minor__gte=0,
                            regained_minor__gte=0,
                        ),
                        name="correction_share_not_negative",
                    ),
                ],
            },
        ),
        migrations.RunPython(protect, migrations.RunPython.noop),
        migrations.RunSQL(RESULTS_GUARDED, RESULTS_GUARDED_REVERSE),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

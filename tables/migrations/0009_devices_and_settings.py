"""Devices by hand, and settings that two people change."""

from typing import Any

from django.db import migrations, models

from accounts.roles import Role, grant

#: A key is what it was enrolled as, and a revocation is for good, whoever asks.
KEYS_FIXED = """
CREATE FUNCTION tables_devicekey_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE'
        OR (NEW.id, NEW.device_id, NEW.public_key_b64, NEW.enrolled_at)
            IS DISTINCT FROM (OLD.id, OLD.device_id, OLD.public_key_b64, OLD.enrolled_at)
        OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    THEN
        RAISE EXCEPTION 'device_key: % of key % is refused', TG_OP, OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_devicekey_fixed BEFORE UPDATE OR DELETE ON tables_devicekey
    FOR EACH ROW EXECUTE FUNCTION tables_devicekey_fixed();
"""

KEYS_FIXED_REVERSE = """
DROP TRIGGER tables_devicekey_fixed ON tables_devicekey;
DROP FUNCTION tables_devicekey_fixed();
"""

#: What was proposed stays as it was, and is decided once. Limits and rules of a table move only in
#: the transaction that marks an approved change to exactly these values as applied.
CHANGES_FIXED = """
CREATE FUNCTION tables_settingchange_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE'
        OR (NEW.id, NEW.table_id, NEW.kind, NEW.target, NEW.before, NEW.after, NEW.reason, NEW.key,
            NEW.proposed_by, NEW.proposed_at)
            IS DISTINCT FROM (OLD.id, OLD.table_id, OLD.kind, OLD.target, OLD.before, OLD.after,
            OLD.reason, OLD.key, OLD.proposed_by, OLD.proposed_at)
        OR NOT (OLD.state = 'proposed'
            OR (OLD.state = 'approved' AND NEW.state IN ('applied', 'stale')
                AND (NEW.decided_by, NEW.decided_at) = (OLD.decided_by, OLD.decided_at)))
    THEN
        RAISE EXCEPTION 'setting_change: % of % is refused', TG_OP, OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_settingchange_fixed BEFORE UPDATE OR DELETE ON tables_settingchange
    FOR EACH ROW EXECUTE FUNCTION tables_settingchange_fixed();

CREATE FUNCTION tables_settings_guarded() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    asked boolean := false;
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'tables_tablelimits' THEN
        asked := (NEW.table_id, NEW.currency) = (OLD.table_id, OLD.currency)
            AND EXISTS (SELECT FROM tables_settingchange c
            WHERE c.table_id = NEW.table_id AND c.kind = 'limits' AND c.target = NEW.currency
                AND c.state = 'applied' AND c.after = NEW.limits
                AND c.applied_in = pg_current_xact_id()::text::bigint);
    ELSIF TG_OP = 'UPDATE' THEN
        asked := EXISTS (SELECT FROM tables_settingchange c
            WHERE c.table_id = NEW.id AND c.kind = 'ruleset' AND c.state = 'applied'
                AND c.after ->> 'ruleset' = NEW.ruleset
                AND c.applied_in = pg_current_xact_id()::text::bigint);
    END IF;
    IF NOT asked THEN
        RAISE EXCEPTION 'four_eyes: % on % without an approved change is refused', TG_OP,
            TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tables_tablelimits_guarded BEFORE UPDATE OR DELETE ON tables_tablelimits
    FOR EACH ROW EXECUTE FUNCTION tables_settings_guarded();
CREATE TRIGGER tables_table_rules_guarded BEFORE UPDATE OF ruleset ON tables_table
    FOR EACH ROW WHEN (NEW.ruleset IS DISTINCT FROM OLD.ruleset)
    EXECUTE FUNCTION tables_settings_guarded();
"""

CHANGES_FIXED_REVERSE = """
DROP TRIGGER tables_table_rules_guarded ON tables_table;
DROP TRIGGER tables_tablelimits_guarded ON tables_tablelimits;
DROP FUNCTION tables_settings_guarded();
DROP TRIGGER tables_settingchange_fixed ON tables_settingchange;
DROP FUNCTION tables_settingchange_fixed();
"""

WATCH = ("tables.table:watch_floor", "tables.view_devicekey")
#: Who may act on the floor is said by the acts' own rights (0007); here: who may stop what.
STOP_PLAY = ("compliance.view_switch", "compliance.switch:stop_play")
STOP_MONEY = ("compliance.view_switch", "compliance.switch:stop_money")

#: Settings that touch money or rules: one proposes, another decides.
SEE_CHANGES = ("tables.view_settingchange",)
PROPOSE = (*SEE_CHANGES, "tables.settingchange:propose_change")
DECIDE = (*SEE_CHANGES, "tables.settingchange:decide_change")

CHANGES = {
    Role.PIT_BOSS: PROPOSE,
    Role.COMPLIANCE: DECIDE,
    Role.FINANCE: SEE_CHANGES,
    Role.AUDITOR: SEE_CHANGES,
    Role.ADMINISTRATOR: (*PROPOSE, *DECIDE),
}

RIGHTS = {
    Role.PIT_BOSS: (*WATCH, *STOP_PLAY),
    Role.COMPLIANCE: (*WATCH, *STOP_PLAY, *STOP_MONEY),
    Role.FINANCE: STOP_MONEY,
    Role.AUDITOR: (*WATCH, "compliance.view_switch"),
    Role.ADMINISTRATOR: (*WATCH, *STOP_PLAY, *STOP_MONEY, "tables.device:manage_devices"),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in (*RIGHTS.items(), *CHANGES.items()):
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("tables", "0008_the_presenters"),
        ("accounts", "0002_roles"),
        ("compliance", "0001_standing"),
    ]
    operations = [
        migrations.AddField("device", "must_be_heard", models.BooleanField(default=True)),
        migrations.AddField("device", "retired_at", models.DateTimeField(null=True)),
        migrations.AddField("device", "version", models.PositiveIntegerField(default=1)),
        migrations.AddField(
            "device",
            "newest_fault",
            models.CharField(blank=True, default="", max_length=60),
            preserve_default=False,
        ),
        migrations.AddField("device", "newest_fault_at", models.DateTimeField(null=True)),
        migrations.AlterField(
            "device",
            "kind",
            models.CharField(
                max_length=20,
                choices=[
                    ("wheel", "wheel"),
                    ("camera", "camera"),
                    ("controller", "controller"),
                    ("encoder", "encoder"),
                    ("keypad", "keypad"),
                    ("console", "console"),
                ],
            ),
        ),
        migrations.AddField(
            "devicekey",
            "revoked_because",
            models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "devicekey",
            models.UniqueConstraint(fields=["public_key_b64"], name="device_key_bytes_once"),
        ),
        migrations.RunSQL(KEYS_FIXED, KEYS_FIXED_REVERSE),
        migrations.CreateModel(
            name="SettingChange",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("limits", "bet limits"),
                            ("pace", "pace"),
                            ("ruleset", "rules"),
                            ("status", "open or closed"),
                            ("latency", "bound of the picture's delay"),
                        ],
                        max_length=12,
                    ),
                ),
                ("target", models.CharField(blank=True, max_length=3)),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("reason", models.CharField(max_length=400)),
                ("key", models.CharField(max_length=64)),
                ("proposed_by", models.CharField(max_length=80)),
                ("proposed_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "waits for a second person"),
                            ("approved", "waits for the next round"),
                            ("applied", "in force"),
                            ("rejected", "rejected"),
                            ("withdrawn", "withdrawn"),
                            ("stale", "not applied: something else had changed"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("decided_by", models.CharField(blank=True, max_length=80)),
                ("decided_at", models.DateTimeField(null=True)),
                ("decision", models.CharField(blank=True, max_length=400)),
                ("applied_at", models.DateTimeField(null=True)),
                ("applied_in", models.BigIntegerField(null=True)),
                (
                    "table",
                    models.ForeignKey(
                        on_delete=models.deletion.PROTECT,
                        related_name="changes",
                        to="tables.table",
                    ),
                ),
            ],
            options={
                "ordering": ["-proposed_at"],
                "constraints": [
                    models.UniqueConstraint(fields=["proposed_by", "key"], name="change_key_once"),
                    models.UniqueConstraint(
                        condition=models.Q(state__in=["proposed", "approved"]),
                        fields=["table", "kind", "target"],
                        name="change_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(decided_at__isnull=True, decided_by="", state="proposed")
                        | (
                            ~models.Q(state="proposed")
                            & ~models.Q(decided_by="")
                            & models.Q(decided_at__isnull=False)
                        ),
                        name="change_decided_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(state__in=["approved", "applied", "rejected", "stale"])
                        | ~models.Q(decided_by=models.F("proposed_by")),
                        name="change_four_eyes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(applied_at__isnull=False, state="applied")
                        | (~models.Q(state="applied") & models.Q(applied_at__isnull=True)),
                        name="change_applied_at",
                    ),
                ],
            },
        ),
        migrations.RunSQL(CHANGES_FIXED, CHANGES_FIXED_REVERSE),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

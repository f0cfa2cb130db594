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

WATCH = ("tables.table:watch_floor", "tables.view_devicekey")
#: Who may act on the floor is said by the acts' own rights (0007); here: who may stop what.
STOP_PLAY = ("compliance.view_switch", "compliance.switch:stop_play")
STOP_MONEY = ("compliance.view_switch", "compliance.switch:stop_money")

RIGHTS = {
    Role.PIT_BOSS: (*WATCH, *STOP_PLAY),
    Role.COMPLIANCE: (*WATCH, *STOP_PLAY, *STOP_MONEY),
    Role.FINANCE: STOP_MONEY,
    Role.AUDITOR: (*WATCH, "compliance.view_switch"),
    Role.ADMINISTRATOR: (*WATCH, *STOP_PLAY, *STOP_MONEY, "tables.device:manage_devices"),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
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
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]

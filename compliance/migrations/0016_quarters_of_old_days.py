"""Days summed up before there were quarters become quarters, so that no upgrade empties a window."""

from django.db import migrations

from compliance.jurisdictions import in_force_codes, profile

#: What the quarters of a day lack of its sum. When in the day it was is not known any more, so each
#: part stands where a window that begins within the day errs against more play: what uses a limit
#: up (stakes, deposits) in the last quarter, which leaves windows last; what makes room in it
#: (stakes that came back, payouts, withdrawals) in the first one, which leaves them first.
FILL = """
WITH local AS (
    SELECT d.*, (((d.day + 1)::timestamp AT TIME ZONE %(zone)s) - interval '15 minutes') AS last_at,
        (d.day::timestamp AT TIME ZONE %(zone)s) AS first_at
    FROM compliance_daytotal d JOIN compliance_standing s USING (player_id)
    WHERE s.jurisdiction = %(code)s AND d.day >= current_date - 62
), lacking AS (
    SELECT l.player_id, l.currency, l.first_at, l.last_at,
        l.staked_minor - coalesce(sum(q.staked_minor), 0) AS staked,
        l.returned_minor - coalesce(sum(q.returned_minor), 0) AS returned,
        l.paid_out_minor - coalesce(sum(q.paid_out_minor), 0) AS paid_out,
        l.deposited_minor - coalesce(sum(q.deposited_minor), 0) AS deposited,
        l.withdrawn_minor - coalesce(sum(q.withdrawn_minor), 0) AS withdrawn
    FROM local l LEFT JOIN compliance_quartertotal q ON q.player_id = l.player_id
        AND q.currency = l.currency AND q.starts_at BETWEEN l.first_at AND l.last_at
    GROUP BY l.player_id, l.currency, l.first_at, l.last_at, l.staked_minor, l.returned_minor,
        l.paid_out_minor, l.deposited_minor, l.withdrawn_minor
)
INSERT INTO compliance_quartertotal AS t (player_id, currency, starts_at, staked_minor,
    returned_minor, paid_out_minor, deposited_minor, withdrawn_minor)
SELECT player_id, currency, last_at, staked, 0, 0, deposited, 0 FROM lacking
    WHERE (staked, deposited) <> (0, 0)
UNION ALL
SELECT player_id, currency, first_at, 0, returned, paid_out, 0, withdrawn FROM lacking
    WHERE (returned, paid_out, withdrawn) <> (0, 0, 0)
ON CONFLICT (player_id, currency, starts_at) DO UPDATE SET
    staked_minor = t.staked_minor + excluded.staked_minor,
    returned_minor = t.returned_minor + excluded.returned_minor,
    paid_out_minor = t.paid_out_minor + excluded.paid_out_minor,
    deposited_minor = t.deposited_minor + excluded.deposited_minor,
    withdrawn_minor = t.withdrawn_minor + excluded.withdrawn_minor
"""


def fill(_apps, editor) -> None:
    """Doing it again changes nothing."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_date")
        today = cursor.fetchone()[0]
        for code in in_force_codes(today):
            cursor.execute(FILL, {"code": code, "zone": profile(code, today).zone})


class Migration(migrations.Migration):
    dependencies = [("compliance", "0015_profile_sign_offs")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

"""Limits of every kind and what time needs: sessions of play, checks of reality, quarters."""

from django.conf import settings
from django.db import migrations, models

from audit.append_only import partitions_sql, protect_sql

SESSIONS = """
CREATE TABLE compliance_playsession (
    id uuid NOT NULL,
    player_id bigint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (id, ended_at),
    CONSTRAINT compliance_playsession_forward CHECK (ended_at >= started_at)
) PARTITION BY RANGE (ended_at);
CREATE INDEX compliance_playsession_player ON compliance_playsession (player_id, ended_at);
"""
#: An allowed decision has the id of what it was asked about; of refused ones nobody asks by that.
DECISIONS = "DROP INDEX compliance_gatedecision_ref"
DECISIONS_BACK = "CREATE INDEX compliance_gatedecision_ref ON compliance_gatedecision (ref)"
#: The newest windows of what was summed up before.
WINDOWS = """
INSERT INTO compliance_windowtotal (player_id, currency, day, week, month, day_wager_minor,
    day_paid_minor, week_wager_minor, week_paid_minor, month_wager_minor, month_paid_minor)
SELECT player_id, currency, newest, min(week), min(month),
    sum(wager) FILTER (WHERE day = newest), sum(paid) FILTER (WHERE day = newest),
    sum(wager) FILTER (WHERE day >= week), sum(paid) FILTER (WHERE day >= week),
    sum(wager) FILTER (WHERE day >= month), sum(paid) FILTER (WHERE day >= month)
FROM (
    SELECT t.player_id, t.currency, t.day, n.newest,
        date_trunc('week', n.newest)::date AS week, date_trunc('month', n.newest)::date AS month,
        t.staked_minor - t.returned_minor AS wager, t.paid_out_minor AS paid
    FROM compliance_daytotal t JOIN (
        SELECT player_id, currency, max(day) AS newest FROM compliance_daytotal GROUP BY 1, 2
    ) n USING (player_id, currency)
) one GROUP BY player_id, currency, newest
"""
#: Limits that were set before: windows are counted from this hour, whatever was set when.
SET_AT = "UPDATE compliance_limit SET set_at = date_trunc('hour', now())"


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0008_watching"),
        ("audit", "0001_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PlaySession",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("player_id", models.BigIntegerField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "db_table": "compliance_playsession",
                "ordering": ["-ended_at"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="QuarterTotal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("player_id", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("starts_at", models.DateTimeField()),
                ("staked_minor", models.BigIntegerField(default=0)),
                ("returned_minor", models.BigIntegerField(default=0)),
                ("paid_out_minor", models.BigIntegerField(default=0)),
                ("deposited_minor", models.BigIntegerField(default=0)),
                ("withdrawn_minor", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "compliance_quartertotal",
            },
        ),
        migrations.RunSQL(
            SESSIONS
            + partitions_sql("compliance_playsession")
            + protect_sql("compliance_playsession"),
            "DROP TABLE compliance_playsession",
        ),
        migrations.RunSQL(DECISIONS, DECISIONS_BACK),
        migrations.AddField(
            model_name="limit",
            name="set_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(SET_AT, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="limit",
            name="set_at",
            field=models.DateTimeField(),
        ),
        migrations.AddField(
            model_name="standing",
            name="check_due_at",
            field=models.DateTimeField(
                blank=True,
                help_text="From then on a check of reality stands before each bet.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="standing",
            name="check_every_s",
            field=models.IntegerField(
                blank=True,
                help_text="How often the player wants it; empty: as the policy says.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="standing",
            name="limits_answered_at",
            field=models.DateTimeField(
                blank=True, help_text="When the player last said which limits they want.", null=True
            ),
        ),
        migrations.AddField(
            model_name="standing",
            name="play_seen_at",
            field=models.DateTimeField(blank=True, help_text="Last act in it.", null=True),
        ),
        migrations.AddField(
            model_name="standing",
            name="play_since",
            field=models.DateTimeField(blank=True, help_text="Session of play: begin.", null=True),
        ),
        migrations.AlterField(
            model_name="limit",
            name="currency",
            field=models.CharField(blank=True, max_length=3),
        ),
        migrations.AlterField(
            model_name="limit",
            name="kind",
            field=models.CharField(
                choices=[
                    ("deposit", "deposit"),
                    ("net_deposit", "net_deposit"),
                    ("loss", "loss"),
                    ("wager", "wager"),
                    ("session_time", "session_time"),
                    ("balance", "balance"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="limit",
            name="period",
            field=models.CharField(
                choices=[
                    ("day", "day"),
                    ("week", "week"),
                    ("month", "month"),
                    ("always", "always"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(
                condition=models.Q(("play_since__isnull", False)),
                fields=["play_seen_at"],
                name="compliance_standing_playing",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        ["deposit", "net_deposit", "loss", "wager", "session_time", "balance"],
                    )
                ),
                name="compliance_limit_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("currency", ""), ("kind", "session_time")),
                    models.Q(
                        models.Q(("kind", "session_time"), _negated=True),
                        models.Q(("currency", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="compliance_limit_unit",
            ),
        ),
        migrations.AddConstraint(
            model_name="limit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "balance"), ("period", "always")),
                    models.Q(
                        models.Q(("kind", "balance"), _negated=True),
                        models.Q(("period", "always"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="compliance_limit_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="standing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("check_due_at__isnull", True),
                        ("play_seen_at__isnull", True),
                        ("play_since__isnull", True),
                    ),
                    models.Q(
                        ("check_due_at__isnull", False),
                        ("play_seen_at__gte", models.F("play_since")),
                        ("play_since__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="compliance_standing_play_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="standing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("check_every_s__isnull", True), ("check_every_s__gt", 0), _connector="OR"
                ),
                name="compliance_standing_check_every",
            ),
        ),
        migrations.AddIndex(
            model_name="quartertotal",
            index=models.Index(fields=["starts_at"], name="compliance_quartertotal_old"),
        ),
        migrations.AddConstraint(
            model_name="quartertotal",
            constraint=models.UniqueConstraint(
                fields=("player_id", "currency", "starts_at"), name="compliance_quartertotal_one"
            ),
        ),
        migrations.CreateModel(
            name="WindowTotal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("player_id", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("day", models.DateField()),
                ("week", models.DateField()),
                ("month", models.DateField()),
                ("day_wager_minor", models.BigIntegerField()),
                ("day_paid_minor", models.BigIntegerField()),
                ("week_wager_minor", models.BigIntegerField()),
                ("week_paid_minor", models.BigIntegerField()),
                ("month_wager_minor", models.BigIntegerField()),
                ("month_paid_minor", models.BigIntegerField()),
            ],
            options={
                "db_table": "compliance_windowtotal",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("player_id", "currency"), name="compliance_windowtotal_one"
                    )
                ],
            },
        ),
        migrations.RunSQL(WINDOWS, migrations.RunSQL.noop),
    ]

"""A withdrawal leaves in parts: back into deposits, the rest onto a verified account of the player.

The database decides three things by itself: a part goes to what is its player's, and no deposit
gives back more than it brought; where a part goes never changes; and none leaves its review before
enough people agreed to what was found last, none of them twice.

Going back fails, with nothing changed, once a request left in two parts: a key is of one row there.
"""

from typing import Final

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import kernel.ids
from audit.append_only import protect_sql, runtime_role

#: What was asked for before is a request of one part.
ONE_PART: Final = "UPDATE payments_withdrawal SET request_id = id"

TABLES: Final = """
CREATE TABLE payments_withdrawal_policy (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    name text NOT NULL CHECK (name <> ''),
    text text NOT NULL CHECK (encode(sha256(convert_to(text, 'UTF8')), 'hex') = sha256),
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE payments_assessment (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id uuid NOT NULL,
    player_id bigint NOT NULL,
    policy_sha256 text NOT NULL REFERENCES payments_withdrawal_policy (sha256),
    people smallint NOT NULL CHECK (people BETWEEN 0 AND 2),
    reasons text[] NOT NULL,
    risk text NOT NULL CHECK (risk IN ('allow', 'challenge', 'review', 'block')),
    risk_reasons text[] NOT NULL,
    facts jsonb NOT NULL,
    UNIQUE (id, request_id)
);
CREATE INDEX payments_assessment_request ON payments_assessment (request_id, at, id);
CREATE INDEX payments_assessment_player ON payments_assessment (player_id);
CREATE TABLE payments_approval (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id uuid NOT NULL,
    player_id bigint NOT NULL,
    assessment_id uuid NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^(staff|system):.'),
    verdict text NOT NULL CHECK (verdict IN ('approve', 'reject')),
    reason text NOT NULL,
    CHECK (verdict = 'approve' OR reason <> ''),
    CONSTRAINT payments_approval_once UNIQUE (request_id, actor, verdict),
    FOREIGN KEY (assessment_id, request_id) REFERENCES payments_assessment (id, request_id)
);
CREATE INDEX payments_approval_player ON payments_approval (player_id);
"""

RULES: Final = """
CREATE FUNCTION payments_withdrawal_goes() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    source payments_deposit%ROWTYPE;
    under_way bigint;
BEGIN
    IF NEW.route = 'refund' THEN
        SELECT * INTO source FROM payments_deposit
            WHERE id = NEW.source_deposit_id FOR NO KEY UPDATE;
        IF source.player_id <> NEW.player_id OR source.provider <> NEW.provider
            OR source.currency <> NEW.currency OR source.state NOT IN ('succeeded', 'won') THEN
            RAISE EXCEPTION 'payments_withdrawal: this deposit takes no refund of this player'
                USING ERRCODE = 'check_violation';
        END IF;
        SELECT coalesce(sum(amount_minor), 0) INTO under_way FROM payments_withdrawal
            WHERE source_deposit_id = NEW.source_deposit_id AND state IN
                ('requested', 'risk_review', 'approved', 'unknown', 'submitted', 'in_transit');
        IF source.refunded_minor + under_way + NEW.amount_minor > source.amount_minor THEN
            RAISE EXCEPTION 'payments_withdrawal: more than is left of the deposit'
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.route = 'account' AND NOT EXISTS (SELECT FROM payments_instrument
            WHERE id = NEW.instrument_id AND player_id = NEW.player_id
                AND provider = NEW.provider AND kind = 'bank_account'
                AND verified_at IS NOT NULL AND removed_at IS NULL
                AND (usable_from IS NULL OR usable_from <= clock_timestamp())) THEN
        RAISE EXCEPTION 'payments_withdrawal: not a verified account of this player'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION payments_withdrawal_moves() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    needed smallint;
    agreed bigint;
BEGIN
    IF (NEW.request_id, NEW.part, NEW.route, NEW.source_deposit_id, NEW.instrument_id,
            NEW.provider, NEW.amount_minor, NEW.currency)
        IS DISTINCT FROM (OLD.request_id, OLD.part, OLD.route, OLD.source_deposit_id,
            OLD.instrument_id, OLD.provider, OLD.amount_minor, OLD.currency) THEN
        RAISE EXCEPTION 'payments_withdrawal: where a part goes never changes'
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('requested', 'risk_review') AND NEW.state = 'approved' THEN
        SELECT people INTO needed FROM payments_assessment
            WHERE request_id = NEW.request_id ORDER BY at DESC, id DESC LIMIT 1;
        SELECT count(*) INTO agreed FROM payments_approval
            WHERE request_id = NEW.request_id AND verdict = 'approve'
                AND (needed = 0 OR actor LIKE 'staff:%');
        IF needed IS NULL OR agreed < greatest(needed, 1) THEN
            RAISE EXCEPTION 'payments_withdrawal: % agreed, and % must', agreed, needed
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_withdrawal_goes BEFORE INSERT ON payments_withdrawal
    FOR EACH ROW EXECUTE FUNCTION payments_withdrawal_goes();
CREATE TRIGGER payments_withdrawal_moves BEFORE UPDATE ON payments_withdrawal
    FOR EACH ROW EXECUTE FUNCTION payments_withdrawal_moves();
"""
BACK: Final = """
DROP TRIGGER payments_withdrawal_moves ON payments_withdrawal;
DROP TRIGGER payments_withdrawal_goes ON payments_withdrawal;
DROP FUNCTION payments_withdrawal_moves();
DROP FUNCTION payments_withdrawal_goes();
DROP TABLE payments_approval;
DROP TABLE payments_assessment;
DROP TABLE payments_withdrawal_policy;
"""


def _rights() -> str:
    return (
        "".join(
            protect_sql(table)
            for table in (
                "payments_withdrawal_policy",
                "payments_assessment",
                "payments_approval",
            )
        )
        + f"GRANT UPDATE (usable_from, verified_by) ON payments_instrument TO {runtime_role()};"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0008_reconciliation"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApprovalRow",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("request_id", models.UUIDField()),
                ("player_id", models.BigIntegerField()),
                ("actor", models.TextField()),
                ("verdict", models.TextField()),
                ("reason", models.TextField()),
            ],
            options={
                "db_table": "payments_approval",
                "ordering": ["at", "id"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="AssessmentRow",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("request_id", models.UUIDField()),
                ("player_id", models.BigIntegerField()),
                ("people", models.SmallIntegerField()),
                (
                    "reasons",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), size=None
                    ),
                ),
                ("risk", models.TextField()),
                (
                    "risk_reasons",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), size=None
                    ),
                ),
                ("facts", models.JSONField()),
            ],
            options={
                "db_table": "payments_assessment",
                "ordering": ["at", "id"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="PolicyText",
            fields=[
                ("sha256", models.TextField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("text", models.TextField()),
                ("first_used_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_withdrawal_policy",
                "managed": False,
            },
        ),
        migrations.RemoveConstraint(
            model_name="withdrawal",
            name="payments_withdrawal_key",
        ),
        migrations.AddField(
            model_name="instrument",
            name="usable_from",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="instrument",
            name="verified_by",
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="instrument",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payouts",
                to="payments.instrument",
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="part",
            field=models.SmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="request_id",
            field=models.UUIDField(default=kernel.ids.new_id),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="route",
            field=models.CharField(
                blank=True, choices=[("refund", "refund"), ("account", "account")], max_length=8
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="source_deposit",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="payments.deposit",
            ),
        ),
        migrations.RunSQL(ONE_PART, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(fields=["request_id", "part"], name="payments_withdrawal_request"),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(
                condition=models.Q(("state", "risk_review")),
                fields=["created_at"],
                name="payments_withdrawal_review",
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.UniqueConstraint(
                fields=("player_id", "key", "part"), name="payments_withdrawal_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("instrument", None), ("route", ""), ("source_deposit", None)),
                    models.Q(("route", "refund"), ("source_deposit__isnull", False)),
                    models.Q(
                        ("instrument__isnull", False),
                        ("route", "account"),
                        ("source_deposit", None),
                    ),
                    _connector="OR",
                ),
                name="payments_withdrawal_route",
            ),
        ),
        migrations.RunSQL(TABLES + RULES + _rights(), BACK),
    ]

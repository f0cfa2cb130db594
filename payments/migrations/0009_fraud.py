"""What the rules of payments answered, deposits held for review, and what was decided. For ever."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant, withdraw
from audit.append_only import protect_sql

TABLES = """
CREATE TABLE payments_fraud_decision (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payment_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('deposit', 'withdrawal')),
    moment text NOT NULL CHECK (moment IN ('asked', 'arrived')),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    outcome text NOT NULL CHECK (outcome IN ('allow', 'challenge', 'review', 'block')),
    reasons text[] NOT NULL,
    failed text[] NOT NULL,
    CHECK ((outcome = 'allow') = (cardinality(reasons) = 0)),
    CHECK (purpose = 'deposit' OR outcome IN ('allow', 'review'))
);
CREATE INDEX payments_fraud_decision_payment ON payments_fraud_decision (payment_id, at);
CREATE INDEX payments_fraud_decision_player ON payments_fraud_decision (player_id, at);
CREATE TABLE payments_fraud_hit (
    decision_id uuid NOT NULL REFERENCES payments_fraud_decision (id),
    rule_id uuid NOT NULL REFERENCES compliance_watch_rule (id),
    is_shadow boolean NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('challenge', 'review', 'block')),
    figures jsonb NOT NULL CHECK (jsonb_typeof(figures) = 'object'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (decision_id, rule_id)
);
CREATE INDEX payments_fraud_hit_rule ON payments_fraud_hit (rule_id, at);
CREATE TABLE payments_fraud_review (
    deposit_id uuid PRIMARY KEY REFERENCES payments_deposit (id),
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    reasons text[] NOT NULL CHECK (cardinality(reasons) > 0),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL,
    hold_id uuid NOT NULL UNIQUE REFERENCES ledger_hold
);
CREATE INDEX payments_fraud_review_due ON payments_fraud_review (due_at);
CREATE TABLE payments_fraud_verdict (
    deposit_id uuid PRIMARY KEY REFERENCES payments_fraud_review (deposit_id),
    verdict text NOT NULL CHECK (verdict IN ('release', 'return')),
    by_actor text NOT NULL CHECK (by_actor LIKE 'staff:%'),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
RECORDS = (
    "payments_fraud_decision",
    "payments_fraud_hit",
    "payments_fraud_review",
    "payments_fraud_verdict",
)
DROP = "DROP TABLE " + ", ".join(reversed(RECORDS))
REVIEW = ("payments.deposit:review_deposit",)


def allow(apps: Any, schema_editor: Any) -> None:
    for role in (Role.FINANCE, Role.COMPLIANCE):
        grant(apps, role, REVIEW)


def forbid(apps: Any, schema_editor: Any) -> None:
    for role in (Role.FINANCE, Role.COMPLIANCE):
        withdraw(apps, role, REVIEW)


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_files"),
        ("compliance", "0023_rules_of_payments"),
        ("ledger", "0003_holds"),
    ]
    operations = [
        migrations.RunSQL(TABLES + "".join(protect_sql(table) for table in RECORDS), DROP),
        migrations.RunPython(allow, forbid),
    ]

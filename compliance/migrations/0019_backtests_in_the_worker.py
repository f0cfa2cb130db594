"""Trying a rule on history is a job of the worker: asked for on a page, its progress in a row."""

from django.db import migrations

from audit.append_only import runtime_role

TABLE = """
CREATE TABLE compliance_watch_trial (
    id uuid PRIMARY KEY,
    rule_id uuid NOT NULL REFERENCES compliance_watch_rule (id),
    by_actor text NOT NULL CHECK (by_actor <> ''),
    days integer NOT NULL CHECK (days BETWEEN 1 AND 3660),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    done integer NOT NULL DEFAULT 0 CHECK (done >= 0),
    total integer NOT NULL DEFAULT 0 CHECK (total >= done),
    tries integer NOT NULL DEFAULT 0,
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    code text NOT NULL DEFAULT '',
    backtest_id uuid REFERENCES compliance_watch_backtest (id),
    CHECK ((state = 'done') = (backtest_id IS NOT NULL)),
    CHECK ((state = 'failed') = (code <> ''))
);
CREATE UNIQUE INDEX compliance_watch_trial_one ON compliance_watch_trial (rule_id)
    WHERE state IN ('waiting', 'running');
CREATE INDEX compliance_watch_trial_due ON compliance_watch_trial (asked_at)
    WHERE state IN ('waiting', 'running');
"""


def _rights() -> str:
    role = runtime_role()
    return f"""
REVOKE ALL ON compliance_watch_trial FROM PUBLIC, {role};
GRANT SELECT, INSERT ON compliance_watch_trial TO {role};
GRANT UPDATE (state, done, total, tries, beat_at, code, backtest_id)
    ON compliance_watch_trial TO {role};
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0018_lifted_exclusions")]
    operations = [migrations.RunSQL(TABLE + _rights(), "DROP TABLE compliance_watch_trial")]

"""Who agrees, agrees to one finding; only those of the newest let a request go, whichever way.

Before, a word to an older finding counted for the newest, and the database looked at `approved`
alone: a part could leave its review for any later state. The account that was asked for is kept, so
that a key that comes again with another one is refused.

Going back fails, with nothing changed, once somebody agreed to two findings of one request.
"""

from importlib import import_module
from typing import Final

from django.db import migrations, models

_RULES: Final[str] = import_module("payments.migrations.0006_withdrawals_in_parts").RULES
_BEGINS: Final = "CREATE FUNCTION payments_withdrawal_moves()"
_ENDS: Final = "END $$;"


def _before() -> str:
    """The function of 0006."""
    start = _RULES.index(_BEGINS)
    text = _RULES[start : _RULES.index(_ENDS, start) + len(_ENDS)]
    return text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


MOVES: Final = """
CREATE OR REPLACE FUNCTION payments_withdrawal_moves() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    newest uuid;
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
    IF OLD.state IN ('requested', 'risk_review', 'rejected')
        AND NEW.state NOT IN ('requested', 'risk_review', 'rejected') THEN
        SELECT id, people INTO newest, needed FROM payments_assessment
            WHERE request_id = NEW.request_id ORDER BY at DESC, id DESC LIMIT 1;
        SELECT count(*) INTO agreed FROM payments_approval
            WHERE assessment_id = newest AND verdict = 'approve'
                AND (needed = 0 OR actor LIKE 'staff:%');
        IF needed IS NULL OR agreed < greatest(needed, 1) THEN
            RAISE EXCEPTION 'payments_withdrawal: % agreed, and % must', agreed, needed
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""
ONCE: Final = """
ALTER TABLE payments_approval DROP CONSTRAINT payments_approval_once,
    ADD CONSTRAINT payments_approval_once UNIQUE (assessment_id, actor, verdict);
CREATE INDEX payments_approval_request ON payments_approval (request_id);
"""
ONCE_BEFORE: Final = """
DROP INDEX payments_approval_request;
ALTER TABLE payments_approval DROP CONSTRAINT payments_approval_once,
    ADD CONSTRAINT payments_approval_once UNIQUE (request_id, actor, verdict);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0010_disputes"),
    ]

    operations = [
        migrations.RunSQL(ONCE, ONCE_BEFORE),
        migrations.RunSQL(MOVES, _before()),
        migrations.AddField(
            model_name="withdrawal",
            name="asked_account",
            field=models.UUIDField(null=True),
        ),
    ]

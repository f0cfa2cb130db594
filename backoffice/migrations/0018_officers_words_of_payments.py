"""Payments that are erased say no more what officers wrote about them.

The function of 0015 with the officers' words of withdrawals and of deposits under review in it. Who
decided what and when stays told. Their rows never change but while their player is erased.
"""

from importlib import import_module
from typing import Final

from django.db import migrations

BEFORE: Final[str] = import_module(
    "backoffice.migrations.0015_payments_forgotten_whole"
)._with_disputes()
PLACE: Final = "        UPDATE payments_withdrawal SET provider_ref = NULL WHERE player_id = who;\n"
WORDS: Final = """\
        UPDATE payments_withdrawal SET reason = '' WHERE player_id = who AND state = 'rejected';
        UPDATE payments_approval SET reason = '(erased)'
            WHERE player_id = who AND reason <> '' AND actor LIKE 'staff:%';
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
        UPDATE payments_fraud_verdict SET reason = '(erased)' WHERE deposit_id IN
            (SELECT deposit_id FROM payments_fraud_review WHERE player_id = who);
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
"""
RESTING: Final = ("payments_approval", "payments_fraud_verdict")
GUARD: Final = """
DROP TRIGGER {table}_no_change ON {table};
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW {condition} EXECUTE FUNCTION audit_refuse_change();
"""


def _with_words() -> str:
    """The function of 0015 with these statements more."""
    before, found, after = BEFORE.partition(PLACE)
    if not found:
        raise ValueError("the function of 0011 has changed")
    return before + WORDS + found + after


def _guards(condition: str) -> str:
    return "".join(GUARD.format(table=table, condition=condition) for table in RESTING)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0012_daily_statement"),
        ("payments", "0014_agreed_to_what_was_found_last"),
        ("accounts", "0009_erased_people"),
    ]
    operations = [
        migrations.RunSQL(_with_words(), BEFORE),
        migrations.RunSQL(_guards("WHEN (NOT accounts_is_erasing())"), _guards("")),
    ]

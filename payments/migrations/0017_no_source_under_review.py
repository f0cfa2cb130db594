"""A deposit that is looked at, or is to be returned, takes no refund of a withdrawal."""

from typing import Final

from django.db import migrations

FREE: Final = """
CREATE FUNCTION payments_withdrawal_source_is_free() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM payments_fraud_review r
        JOIN ledger_hold first ON first.id = r.hold_id
        LEFT JOIN payments_fraud_verdict v ON v.deposit_id = r.deposit_id
        WHERE r.deposit_id = NEW.source_deposit_id AND (
            v.verdict = 'return'
            OR v.verdict IS NULL AND EXISTS (
                SELECT FROM ledger_hold h
                WHERE h.account = first.account AND h.ref = first.ref AND h.kind = first.kind
                    AND NOT EXISTS (SELECT FROM ledger_hold_end e WHERE e.hold = h.id)
            )
        )
    ) THEN
        RAISE EXCEPTION 'payments_withdrawal: this deposit is under review or to be returned'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payments_withdrawal_source_is_free BEFORE INSERT ON payments_withdrawal
    FOR EACH ROW WHEN (NEW.source_deposit_id IS NOT NULL)
    EXECUTE FUNCTION payments_withdrawal_source_is_free();
"""
BACK: Final = """
DROP TRIGGER payments_withdrawal_source_is_free ON payments_withdrawal;
DROP FUNCTION payments_withdrawal_source_is_free();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0016_beside"),
    ]

    operations = [migrations.RunSQL(FREE, BACK)]

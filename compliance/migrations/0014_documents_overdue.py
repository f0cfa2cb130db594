"""Documents that were asked for in vain stop play; a proposal keeps its check where it is."""

from django.db import migrations, models

#: While a review waits for its second person, only that
#: decision moves the check, so nobody agrees to a proposal about files that were replaced.
WAITS = """
CREATE FUNCTION compliance_kyc_transition_waits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.from_state = 'review' AND EXISTS (SELECT FROM compliance_kyc_review
            WHERE player_id = NEW.player_id AND subject = NEW.subject AND outcome = 'waits') THEN
        RAISE EXCEPTION 'kyc: a proposal waits for a second person'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_kyc_transition_waits BEFORE INSERT ON compliance_kyc_transition
    FOR EACH ROW EXECUTE FUNCTION compliance_kyc_transition_waits();
REVOKE ALL ON FUNCTION compliance_kyc_transition_waits() FROM PUBLIC;
"""
BACK = """
DROP TRIGGER compliance_kyc_transition_waits ON compliance_kyc_transition;
DROP FUNCTION compliance_kyc_transition_waits();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0013_decided_stays")]
    operations = [
        migrations.AddField(
            model_name="standing",
            name="documents_overdue",
            field=models.BooleanField(
                default=False, help_text="Asked-for documents are missing: no play, no deposits."
            ),
        ),
        migrations.RunSQL(WAITS, BACK),
    ]

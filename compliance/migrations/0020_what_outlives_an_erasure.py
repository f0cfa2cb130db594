"""Who is excluded is still known after their name is gone; and kept rows let an erasure pass.

A digest stands for two words of a name and a birth under a key of the house: it recognises whoever
comes with the same, and tells nobody who it was. Rows that nobody changes keep their triggers,
which from now on rest while the erasure of a player runs (`accounts_is_erasing`). Cases do not
rest: also an erasure deletes one five years after it closed at the earliest.
"""

from dataclasses import dataclass
from typing import Final

from django.db import migrations

from audit.append_only import protect_sql

TABLE: Final = """
CREATE TABLE compliance_register_digest (
    player_id bigint NOT NULL REFERENCES accounts_user (id),
    name_no integer NOT NULL CHECK (name_no > 0),  -- which of the names the person went by
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    of_name integer NOT NULL CHECK (of_name > 0),  -- how many digests this name has
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (player_id, name_no, digest)
);
CREATE INDEX compliance_register_digest_found ON compliance_register_digest (digest);

CREATE FUNCTION compliance_kyc_document_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.wrapped_key IS NOT NULL AND NEW.wrapped_key IS NULL AND NEW.scan <> 'infected'
            AND NOT accounts_is_erasing() AND NOT EXISTS (SELECT FROM audit_person_key
                WHERE id = OLD.person_key AND wrapped IS NULL) THEN
        RAISE EXCEPTION 'erasure: a document is destroyed by an erasure alone'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_kyc_document_kept BEFORE UPDATE ON compliance_kyc_document
    FOR EACH ROW EXECUTE FUNCTION compliance_kyc_document_kept();
"""
DROP: Final = """
DROP TRIGGER compliance_kyc_document_kept ON compliance_kyc_document;
DROP FUNCTION compliance_kyc_document_kept();
DROP TABLE compliance_register_digest;
"""


@dataclass(frozen=True, slots=True)
class Guard:
    """A trigger that keeps rows."""

    table: str
    name: str
    when: str
    function: str = "audit_refuse_change"

    def again(self, condition: str) -> str:
        return (
            f"DROP TRIGGER {self.name} ON {self.table};\n"
            f"CREATE TRIGGER {self.name} BEFORE {self.when} ON {self.table}\n"
            f"    FOR EACH ROW {condition}EXECUTE FUNCTION {self.function}();\n"
        )


_ALTOGETHER: Final = (
    "compliance_caller_answer",
    "compliance_kyc_transition",
    "compliance_kyc_upload",
    "compliance_screening_check",
    "compliance_screening_hit",
    "compliance_screening_word",
    "compliance_watch_alert",
    "compliance_watch_case_alert",
    "compliance_watch_event",
    "compliance_watch_report",
    "compliance_registry_answer",
    "compliance_register_entry",
    "compliance_register_digest",
)
GUARDS: Final = (
    *(Guard(table, f"{table}_no_change", "UPDATE OR DELETE") for table in _ALTOGETHER),
    Guard(
        "compliance_kyc_document",
        "compliance_kyc_document_change",
        "UPDATE",
        "compliance_kyc_document_change",
    ),
    Guard(
        "compliance_kyc_review",
        "compliance_kyc_review_change",
        "UPDATE",
        "compliance_kyc_review_change",
    ),
    Guard(
        "compliance_likeness",
        "compliance_likeness_check",
        "UPDATE OR DELETE",
        "compliance_likeness_check",
    ),
    Guard(
        "compliance_likeness_lift",
        "compliance_likeness_lift_check",
        "INSERT OR UPDATE OR DELETE",
        "compliance_likeness_lift_check",
    ),
)
RESTING: Final = "".join(one.again("WHEN (NOT accounts_is_erasing()) ") for one in GUARDS)
ALWAYS: Final = "".join(one.again("") for one in GUARDS)

#: Whoever deletes: a case is deleted five years after it closed, a suspicion by an erasure alone.
CASES: Final = """
CREATE OR REPLACE FUNCTION compliance_case_is_over(which uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM compliance_case
        WHERE id = which AND (kind <> 'suspicion' OR accounts_is_erasing())
            AND closed_at + interval '5 years' < clock_timestamp())
$$;
CREATE FUNCTION compliance_watch_case_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT accounts_is_erasing() OR OLD.closed_at IS NULL
            OR OLD.closed_at + interval '5 years' >= clock_timestamp() THEN
        RAISE EXCEPTION 'append_only: a case is kept for five years after it closed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
DROP TRIGGER compliance_watch_case_keep ON compliance_watch_case;
CREATE TRIGGER compliance_watch_case_keep BEFORE DELETE ON compliance_watch_case
    FOR EACH ROW EXECUTE FUNCTION compliance_watch_case_keep();
"""
CASES_BEFORE: Final = """
DROP TRIGGER compliance_watch_case_keep ON compliance_watch_case;
DROP FUNCTION compliance_watch_case_keep();
CREATE TRIGGER compliance_watch_case_keep BEFORE DELETE ON compliance_watch_case
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE OR REPLACE FUNCTION compliance_case_is_over(which uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM compliance_case
        WHERE id = which AND kind <> 'suspicion'
            AND closed_at + interval '5 years' < clock_timestamp())
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0019_backtests_in_the_worker"),
        ("accounts", "0009_erased_people"),
    ]
    operations = [
        migrations.RunSQL(TABLE + protect_sql("compliance_register_digest"), DROP),
        migrations.RunSQL(RESTING, ALWAYS),
        migrations.RunSQL(CASES, CASES_BEFORE),
    ]

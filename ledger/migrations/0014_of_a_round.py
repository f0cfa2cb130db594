"""What comes back out of a round is of a bet there, or posting refuses it."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

from audit.append_only import runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql"


def script(name: str) -> str:
    return (SQL / name).read_text().replace(":runtime_role", runtime_role())


def codes_of_items_before() -> str:
    """``ledger_item_codes`` as 0013 made it, out of the script that did."""
    _, found, rest = script("0013_disputes.sql").partition(
        "CREATE OR REPLACE FUNCTION ledger_item_codes("
    )
    return found + rest.partition("END $$;")[0] + "END $$;"


FORWARD = script("0016_of_a_round.sql")
BACK = "\n".join(
    [
        codes_of_items_before(),
        "DROP FUNCTION ledger_round_codes(bigint[], bigint[], bigint[], text[], smallint[]);",
    ]
)


class Migration(migrations.Migration):
    """Two functions and no row; books that break the rule are named by ``check_ledger``."""

    dependencies: ClassVar = [("ledger", "0012_entries_in_transfers")]
    operations: ClassVar = [migrations.RunSQL(FORWARD, BACK)]

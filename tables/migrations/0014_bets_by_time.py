"""Bets and slips by time, for those who ask what everybody did in the last hours or weeks.

Rows are only ever added, in the order of time, so a BRIN is enough: some kilobytes a month, and
next to nothing on the way of a bet. Making it reads both tables once; bets wait meanwhile.
"""

from typing import ClassVar

from django.db import migrations

MAKE = """
CREATE INDEX tables_bet_accepted ON tables_bet
    USING brin (accepted_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX tables_slip_accepted ON tables_slip
    USING brin (accepted_at) WITH (pages_per_range = 32, autosummarize = on);
"""
DROP = "DROP INDEX tables_slip_accepted; DROP INDEX tables_bet_accepted;"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tables", "0013_rounds_for_good")]
    operations: ClassVar = [migrations.RunSQL(MAKE, DROP)]

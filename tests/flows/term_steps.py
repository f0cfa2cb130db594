"""Saying in a test that a term is over: the database would take that for a shortened exclusion."""

from __future__ import annotations

from datetime import datetime

import psycopg

from kernel.ids import PlayerId

TRIGGER = "TRIGGER compliance_exclusion_stays"


def term_ends(owner: psycopg.Connection, at: datetime, *players: PlayerId) -> None:
    """As if the exclusions of ``players`` ended ``at``; all that follows is under the trigger."""
    with owner.transaction():
        owner.execute(f"ALTER TABLE compliance_standing DISABLE {TRIGGER}")
        owner.execute(
            "UPDATE compliance_standing SET excluded_until = %s WHERE player_id = ANY (%s)",
            [at, [int(one) for one in players]],
        )
        owner.execute(f"ALTER TABLE compliance_standing ENABLE {TRIGGER}")

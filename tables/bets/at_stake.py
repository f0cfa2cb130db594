"""What players have standing in rounds that are not over: told to limits on the balance."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.db import connection

from compliance import at_stake
from kernel.arrays import array_of
from kernel.ids import PlayerId
from tables.bets.betting import CLOCK_ROOM
from tables.phases import FINISHED

#: A table has one unfinished round at most, found by the partial index that holds it so. Bets
#: that are paid already or were taken back have their outcome, in the transaction of the money.
_OPEN: Final = """
SELECT b.player_id, sum(b.stake_minor)::bigint
FROM tables_round r JOIN tables_bet b
    ON b.round_id = r.id AND b.accepted_at
        BETWEEN r.opened_at - %(room)s::interval AND r.closes_at + %(room)s::interval
WHERE NOT r.phase = ANY (%(finished)s) AND b.player_id = ANY (%(players)s::text::bigint[])
    AND NOT EXISTS (SELECT FROM tables_bet_outcome o WHERE o.bet_id = b.id
        AND o.bet_accepted_at = b.accepted_at)
GROUP BY b.player_id
"""


def open_stakes(player_ids: Collection[PlayerId]) -> dict[PlayerId, int]:
    """Minor units that stand in unfinished rounds, of those who have any. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN,
            {
                "room": f"{CLOCK_ROOM.total_seconds():.0f} seconds",
                "finished": sorted(phase.value for phase in FINISHED),
                "players": array_of(player_ids),
            },
        )
        return {PlayerId(row[0]): row[1] for row in cursor.fetchall()}


at_stake.register_source("tables", open_stakes)
